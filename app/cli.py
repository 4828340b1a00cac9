"""The `morsel` command; every sub-command is a thin call into `app.commands`."""

import sys
from importlib import import_module
from typing import Any

COMMANDS = {
    "serve": "serve:serve",
    "worker": "data:worker",
    "migrate": "serve:migrate",
    "demo": "shop:demo",
    "train": "models:train",
    "evaluate": "models:evaluate",
    "rebuild": "data:rebuild",
    "consent": "data:consent",
    "attribute": "signals:attribute",
    "signals": "signals:signals",
}
GROUPS = {
    "import": "data:imports",
    "clients": "clients:app",
    "people": "people:app",
    "models": "models:app",
    "placements": "content:placements",
    "templates": "content:templates",
    "sends": "sends:app",
    "refused": "refused:app",
}


def main() -> None:
    """Run the command line.

    Only what the command at hand needs is loaded: a server is ready sooner, and its processes, which load this module again, stay small.
    """
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    assembled({first} if first in COMMANDS or first in GROUPS else {*COMMANDS, *GROUPS})()


def assembled(names: set[str]) -> Any:
    """Return the Typer application with commands and groups by name, in their usual order."""
    import typer

    made = typer.Typer(
        no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Personal content that is ready to show."
    )
    made.callback()(_nothing)
    for name, place in COMMANDS.items():
        if name in names:
            made.command(name)(_found(place))
    for name, place in GROUPS.items():
        if name in names:
            made.add_typer(_found(place), name=name)
    return made


def _nothing() -> None:
    # a single command would otherwise stand for the whole, without its name
    return


def _found(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(f"app.commands.{module}"), name)


def __getattr__(name: str) -> Any:
    if name == "app":
        return assembled({*COMMANDS, *GROUPS})
    raise AttributeError(name)


if __name__ == "__main__":
    main()
