"""What a catalogue is made of: categories, brands and kinds, each with how many item groups are in it."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import BaseModel, Field

from app.core import changes
from app.core.db import Database
from app.data.catalogue.values.categories import BELOW, above

_MOST = 5_000
_AGAIN_S = 10.0
_COUNT = (
    "select btrim({column}), count(distinct group_no), count(distinct group_no) filter (where available) from item "
    "where tenant = :tenant and not absent and btrim({column}) <> '' group by 1 order by 2 desc, 1 limit :most"
)


class Facet(BaseModel):
    """A word of the catalogue, and how many products carry it, in all and in stock."""

    name: str
    items: int
    available: int


class Facets(BaseModel):
    """Categories with those above them (their counts hold what lies below), brands and kinds, most products first."""

    categories: list[Facet]
    brands: list[Facet]
    kinds: list[Facet]
    items: int = Field(description="Products in all.")


@dataclass
class _Kept:
    """What was counted last, of which version of the catalogue and when; counting takes most of a second with 100,000 items."""

    version: int = -1
    at: float = 0.0
    found: Facets | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


_kept: dict[tuple[str, int], _Kept] = {}


async def facets(db: Database, tenant: int) -> Facets:
    """Return what the catalogue is made of, counted again once it has changed, while it changes every ten seconds at most."""
    kept = _kept.setdefault((db.url, tenant), _Kept())
    version = (await changes.versions(db)).get((tenant, "catalogue"), 0)
    if kept.found is not None and (kept.version == version or time.monotonic() - kept.at < _AGAIN_S):
        return kept.found
    async with kept.lock:
        if kept.found is None or kept.version != version:
            kept.found = await counted(db, tenant)
            kept.version, kept.at = version, time.monotonic()
        return kept.found


async def counted(db: Database, tenant: int) -> Facets:
    """Count the products of each word; the commonest 5,000 words of each kind."""
    found = {
        column: [
            Facet(name=name, items=items, available=there)
            for name, items, there in await db.rows(_COUNT.format(column=column), tenant=tenant, most=_MOST)
        ]
        for column in ("category", "brand", "kind")
    }
    total = await db.rows("select count(distinct group_no) from item where tenant = :tenant and not absent", tenant=tenant)
    return Facets(categories=_with_above(found["category"]), brands=found["brand"], kinds=found["kind"], items=total[0][0])


def _with_above(categories: Iterable[Facet]) -> list[Facet]:
    """Add the categories that only stand above others, and let each count what lies below it."""
    sums: dict[str, Facet] = {}
    for one in categories:
        name = BELOW.join(part.strip() for part in one.name.split(">"))
        while name:
            known = sums.setdefault(name, Facet(name=name, items=0, available=0))
            known.items += one.items
            known.available += one.available
            name = above(name)
    return sorted(sums.values(), key=lambda one: one.name)
