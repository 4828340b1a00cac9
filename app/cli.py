"""The `morsel` command; every sub-command is a thin call into `app.commands`."""

import typer

from app.commands import clients, content, data, models, sends, serve, shop

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Personal content that is ready to show."
)
app.command("serve")(serve.serve)
app.command("worker")(data.worker)
app.command("migrate")(serve.migrate)
app.command("demo")(shop.demo)
app.command("train")(models.train)
app.command("evaluate")(models.evaluate)
app.command("rebuild")(data.rebuild)
app.command("consent")(data.consent)
app.add_typer(data.imports, name="import")
app.add_typer(clients.app, name="clients")
app.add_typer(models.app, name="models")
app.add_typer(content.placements, name="placements")
app.add_typer(content.templates, name="templates")
app.add_typer(sends.app, name="sends")


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
