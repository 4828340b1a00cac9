"""Rules as a part of the picture that servers answer from."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from app.core.db import Database
from app.core.logging import log
from app.core.parts import Part
from app.data.facts.standing import Edges
from app.data.segments import store
from app.decisions.rules.domain import Named, Rule
from app.decisions.rules.kind import KIND
from app.documents import service


class Known(NamedTuple):
    """What of a shop the facts of its people are read by: the numbers of segments by name, and where parts of its customers end."""

    segments: Mapping[str, int] = {}
    edges: Edges = Edges()


async def _read(db: Database, tenant: int) -> list[Any]:
    return [[one.name, one.number, one.version, one.body] for one in await service.listed(db, KIND, tenant)]


def _load(rows: Any) -> tuple[Named, ...]:
    found = []
    for name, number, version, body in rows or ():
        try:
            rule = Rule.model_validate(body)
        except ValidationError as error:
            # as another release wrote it; the others act on
            log.warning("rule.unusable", rule=name, error=str(error)[:200])
            continue
        if rule.enabled:
            found.append(Named(name, number, version, rule))
    return tuple(found)


async def _read_known(db: Database, tenant: int) -> dict[str, Any]:
    async with db.begin() as connection:
        segments = await store.published(connection, tenant)
        edges = await store.edges(connection, tenant)
    return {"segments": {name: number for number, name, _, _ in segments}, "edges": edges._asdict()}


def _load_known(told: Any) -> Known:
    told = told or {}
    return Known(told.get("segments", {}), Edges(**{name: tuple(values) for name, values in told.get("edges", {}).items()}))


PART = Part("rules", ("content",), _read, _load)
KNOWN = Part("facts", ("content", "facts"), _read_known, _load_known)
