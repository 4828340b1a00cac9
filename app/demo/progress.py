"""Says on standard error what the demo does and how long each step took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

_console = Console(stderr=True, highlight=False)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Tell about one step: a spinner while it runs, a line with its seconds when it is done."""
    began = time.monotonic()
    with _console.status(f"{what} …") if _console.is_terminal else _silence():
        yield
    say(f"[green]✓[/green] {what} [dim]{time.monotonic() - began:.1f} s[/dim]")


def say(line: str) -> None:
    """Print one line."""
    _console.print(line, soft_wrap=True)


@contextmanager
def _silence() -> Iterator[None]:
    yield
