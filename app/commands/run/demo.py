"""`morsel demo`: a generated shop, trained and served, with a page that shows what Morsel does."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fastapi import FastAPI


def demo(port: Annotated[int, typer.Option(help="Port to listen on (PORT, else MORSEL_PORT).")] = -1) -> None:
    """Generate a fashion shop, train on it, and serve it with a page that shows what Morsel does."""
    # imported on use: no other command pays for the generator, and no server for training
    from app.commands.run.demo_run import keep

    keep(port)


def create_demo_app() -> "FastAPI":
    """Build the server's application with the demo's page on top; only `morsel demo` serves this one."""
    from app.core.settings import load
    from app.demo.pages import router
    from app.main import create_app

    found = load()
    app = create_app(found)
    app.include_router(router)
    return app
