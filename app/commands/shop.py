"""`morsel demo`: a generated shop, trained and served."""

import typer


def demo() -> None:
    """Generate a fashion shop, train on it, and serve it with a page that shows what Morsel does."""
    typer.echo("the demo shop is not part of this build", err=True)
    raise typer.Exit(1)
