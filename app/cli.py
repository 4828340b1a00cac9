"""The `morsel` command; every sub-command is a thin call into `app.commands`."""

import sys
from importlib import import_module
from importlib.metadata import version as release
from typing import Any

from app.plugins import DOCUMENTS

COMMANDS = {
    "serve": "run.serve:serve",
    "dashboard": "run.dashboard:dashboard",
    "worker": "data:worker",
    "migrate": "run.serve:migrate",
    "demo": "run.demo:demo",
    "train": "models:train",
    "evaluate": "models:evaluate",
    "rebuild": "data:rebuild",
    "consent": "data:consent",
    "attribute": "signals:attribute",
    "signals": "signals:signals",
    "status": "operations:status",
    "audit": "operations:audit",
    "lists": "lists:lists",
}
GROUPS = {
    "import": "data:imports",
    "accounts": "accounts:app",
    "clients": "clients:app",
    "people": "audience.people:app",
    "models": "models:app",
    **{plural: f"documents:{plural}" for plural in DOCUMENTS},
    "segments": "audience.segments:app",
    "clusters": "audience.clusters:app",
    "facts": "audience.facts:app",
    "sends": "sends:app",
    "refused": "refused:app",
}


def main() -> None:
    """Run the command line.

    Only what the command at hand needs is loaded: a server is ready sooner, and its processes, which load this module again, stay small.
    """
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        assembled({first} if first in COMMANDS or first in GROUPS else {*COMMANDS, *GROUPS})()
    except Exception as error:
        # whatever a command did not expect is one line, never a page of Python
        from app.commands.context import explain

        sys.exit(explain(error))


def assembled(names: set[str]) -> Any:
    """Return the Typer application with commands and groups by name, in their usual order."""
    import typer

    made = typer.Typer(
        no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Personal content that is ready to show."
    )

    def version(asked: bool) -> None:
        if asked:
            typer.echo(f"morsel {release('morsel')}")
            raise typer.Exit

    @made.callback()
    def whole(version: bool = typer.Option(False, "--version", callback=version, is_eager=True, help="Print the version.")) -> None:
        # without a callback a single command would stand for the whole, without its name
        return

    for name, place in COMMANDS.items():
        if name in names:
            made.command(name)(_found(place))
    for name, place in GROUPS.items():
        if name in names:
            made.add_typer(_found(place), name=name)
    return made


def _found(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(f"app.commands.{module}"), name)


def __getattr__(name: str) -> Any:
    if name == "app":
        return assembled({*COMMANDS, *GROUPS})
    raise AttributeError(name)


if __name__ == "__main__":
    main()
