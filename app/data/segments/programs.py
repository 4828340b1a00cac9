"""The published segments of each tenant, read once for each version of them."""

import time
from collections.abc import Collection, Mapping
from weakref import WeakKeyDictionary

from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import Database
from app.data.facts.build import NOTHING_KNOWN, Thing
from app.data.facts.standing import Edges
from app.data.segments import store
from app.data.segments.clusters import store as clusters
from app.data.segments.domain import Program

_THINGS_S, _PEOPLE_S = 60.0, 60.0
_MOST_THINGS = 200_000


class Programs:
    """Programs and edges by tenant, and what counts of items."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[tuple[int, int], Program, Edges]] = {}
        self._things: dict[int, dict[int, Thing]] = {}
        self._things_at = 0.0
        self._people: dict[int, tuple[float, int]] = {}

    async def of(self, connection: AsyncConnection, tenant: int) -> tuple[Program, Edges]:
        """Return the segments of a tenant as they are published now, and the edges that facts are read by."""
        versions = await store.versions(connection, tenant)
        kept = self._kept.get(tenant)
        if kept is None or kept[0] != versions:
            program = Program(await store.published(connection, tenant), await clusters.models(connection, tenant))
            kept = versions, program, await store.edges(connection, tenant)
            self._kept[tenant] = kept
        return kept[1], kept[2]

    async def things(self, connection: AsyncConnection, tenant: int, items: Collection[int]) -> Mapping[int, Thing]:
        """Return what counts of items; what was read within the last minute is not read again."""
        now = time.monotonic()
        if now - self._things_at > _THINGS_S or sum(map(len, self._things.values())) > _MOST_THINGS:
            self._things, self._things_at = {}, now
        kept = self._things.setdefault(tenant, {})
        if missing := [item for item in items if item not in kept]:
            kept |= dict.fromkeys(missing, NOTHING_KNOWN) | await store.things(connection, tenant, missing)
        return kept

    async def people(self, connection: AsyncConnection, tenant: int) -> int:
        """Return how many people a large shop knows; what was counted within the last minute is not counted again."""
        kept = self._people.get(tenant)
        if kept is None or time.monotonic() - kept[0] > _PEOPLE_S:
            kept = time.monotonic(), await store.people(connection, tenant)
            self._people[tenant] = kept
        return kept[1]


def programs(db: Database) -> Programs:
    """Return the programs of a database that this process has read."""
    return _programs.setdefault(db, Programs())


_programs: "WeakKeyDictionary[Database, Programs]" = WeakKeyDictionary()
