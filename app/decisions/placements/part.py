"""Placements as parts of the picture that servers answer from, and the groups that they block by id."""

from typing import Any

from app.core.db import Database
from app.core.parts import Part, Picture
from app.data.catalogue.store import known_groups
from app.decisions.placements import service
from app.decisions.placements.domain import Placed, Placement


async def _read(db: Database, tenant: int) -> list[Any]:
    return [[one.name, one.number, one.version, one.body] for one in await service.listed(db, tenant)]


def _load(rows: Any) -> dict[str, Placed]:
    return {name: Placed(name, number, version, Placement.model_validate(body)) for name, number, version, body in rows or ()}


def _warm(placed: dict[str, Placed], picture: Picture) -> None:
    for one in placed.values():
        placement = one.placement
        picture.prepare(placement.filter, placement.recommender)
        for part in placement.parts:
            picture.prepare(part.filter or placement.filter, placement.recommender if part.recommender is None else part.recommender)


async def _read_groups(db: Database, tenant: int) -> dict[str, int]:
    blocked = {one for placed in await service.listed(db, tenant) for one in placed.body.get("blocked", ())}
    return await known_groups(db, tenant, sorted(blocked))


def _load_groups(groups: Any) -> dict[str, int]:
    return dict(groups or {})


PART = Part("placements", ("content",), _read, _load, _warm)
# new items may bring groups that are blocked by their id
GROUPS = Part("groups", ("content", "catalogue"), _read_groups, _load_groups)
