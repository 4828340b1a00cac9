"""Every source of events: what HTTP takes, what files bring and what is replayed is read by one of these."""

from app.data.events.sources import file_rows, tracking
from app.data.events.sources.base import Source

EVENT_SOURCES: tuple[Source, ...] = (tracking.SOURCE, file_rows.SOURCE)


def calls() -> dict[str, tuple[Source, str]]:
    """Return source and name of the call of each route that takes events; raises ValueError where two sources want one route."""
    found: dict[str, tuple[Source, str]] = {}
    for source in EVENT_SOURCES:
        for path, call in source.calls.items():
            if path in found:
                raise ValueError(f"{path} is a route of {found[path][0].name} and of {source.name}")
            found[path] = source, call
    return found


def named(name: str) -> Source | None:
    """Return a source by its name; None for one that is no longer listed."""
    return next((source for source in EVENT_SOURCES if source.name == name), None)
