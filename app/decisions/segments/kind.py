"""Segments as a kind of document."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.core.db import Database
from app.data.conditions.language import Condition
from app.data.conditions.syntax import Wrong
from app.data.facts.entries import everything
from app.data.segments import estimating
from app.data.segments.domain import Segment, asked, condition, named
from app.documents import store
from app.documents.kinds import Facts, Finding, Kind, Names, nearest

NARROW, WIDE = 0.001, 0.95
_LEAST = 30


def check(segment: Segment, names: Names, facts: Facts | None) -> Iterator[Finding]:
    """Give nothing: what a condition says is looked at with the shop's people at hand."""
    return iter(())


async def look(db: Database, tenant: int, name: str, segment: Segment) -> list[Finding]:
    """Return what cannot be read, segments that are not there or ask for each other in a circle, and how many people there would be."""
    if segment.when is None:
        return [Finding(level="info", field="when", message="without a condition this is a list: upload its people")]
    try:
        wanted, program = await estimating.read(db, tenant, segment.when)
    except Wrong as error:
        return [Finding(level="error", field="when", message=str(error))]
    found = []
    for other in sorted(asked(wanted)):
        if other == name:
            found.append(Finding(level="error", field="when", message="it asks for itself"))
        elif other not in program.numbers:
            found.append(Finding(level="error", field="when", message=f"there is no segment {other}"))
    clusterings = {one.name for one in await store.published(db, "cluster", tenant)}
    for ref in sorted(wanted.refs):
        if ref.name == "cluster" and ref.key not in clusterings:
            found.append(Finding(level="error", field="when", message=f"there is no clustering {ref.key}{nearest(ref.key, clusterings)}"))
    around = {one.name: asked(one.condition) for one in program.judged if one.name != name} | {name: asked(wanted)}
    if not found and name in _reached(around, name):
        found.append(Finding(level="error", field="when", message="segments would ask for each other in a circle"))
    return found or [Finding(level="info", field="when", message=wanted.sentence), await _size(db, tenant, wanted)]


def _reached(around: dict[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    left = list(around[start])
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left.extend(around.get(one, ()))
    return found


async def _size(db: Database, tenant: int, wanted: Condition) -> Finding:
    about = await estimating.estimate(db, tenant, wanted)
    told = f"{'about ' if about.sampled < about.people else ''}{about.size:,} of {about.people:,} people meet it now"
    warning = worth(about.size, about.people)
    return Finding(level="warning" if warning else "info", field="when", message=f"{told}: {warning}" if warning else told)


def worth(size: int, people: int) -> str | None:
    """Return why a segment of so many people is of little use; None when it is of use, or the shop knows too few to tell."""
    if people and not size:
        return "nobody is in it"
    if people < _LEAST:
        return None
    if size < max(_LEAST, people * NARROW):
        return "too few to say anything of them"
    return "nearly everybody is in it" if size > people * WIDE else None


def naming(body: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the segments and clusterings that a segment asks for."""
    return named([body["when"]], everything(), condition) if body.get("when") is not None else set()


KIND = Kind("segment", Segment, {}, check, lambda settings: (), look=look, naming=naming)
