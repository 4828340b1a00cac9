"""A part of the picture of a tenant that servers answer from: how it is read, kept on disk, loaded and warmed. Its room gives it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from app.core.db import Database

Loaded = TypeVar("Loaded")


class Picture(Protocol):
    """What a part may do with the whole picture when it is warmed."""

    def prepare(self, wanted: Any, recommender: str) -> None:
        """Compute what passes a filter, and what a recommender may show of it."""
        ...


def cold(loaded: Any, picture: Picture) -> None:
    """Warm nothing."""


@dataclass(frozen=True, eq=False)
class Part(Generic[Loaded]):
    """A part, listed in `app/serving/snapshot/parts.py`.

    `read` gives what the database says of a tenant, JSON-ready, as the disk keeps it; it is read again when one of `areas` has a new
    version (`changes.bump`; of `catalogue` only when all items are read anew). `load` makes of it what answers read; it is given None by
    a picture on disk that is older than the part, and leaves out, and logs, what it cannot use. `warm` prepares what the first
    requests would otherwise wait for.
    """

    name: str
    areas: tuple[str, ...]
    read: Callable[[Database, int], Awaitable[Any]]
    load: Callable[[Any], Loaded]
    warm: Callable[[Loaded, Picture], None] = cold
