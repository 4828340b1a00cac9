"""SQL of what people tell of themselves: traits, and consent by purpose, each with who told it and when."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import driver
from app.data.identity import purposes
from app.data.identity.purposes import TRACKING, Defaults, Kept
from app.data.identity.traits import Told, tell

# Rows are locked by number before they are read: two transactions that meet wait for each other and do not lock up.
_LOCKED = """
select person_no, traits::text, purposes::text from person
where tenant = $1 and person_no = any($2::bigint[]) order by person_no for no key update
"""
_PURPOSES = """
update person p set purposes = v.purposes::jsonb from unnest($2::bigint[], $3::text[]) v(person_no, purposes)
where p.tenant = $1 and p.person_no = v.person_no
"""
_TRACKING = """
select p.person_no, array_agg(m.purposes::text),
    (array_agg(m.country order by m.country_at desc nulls last, m.country desc) filter (where m.country is not null))[1]
from person p join person m on m.tenant = p.tenant and m.root_no = p.root_no
where p.tenant = $1 and p.person_no = any($2::bigint[]) group by 1
"""
_GROUP = """
select m.person_no, m.traits::text from person p join person m on m.tenant = p.tenant and m.root_no = p.root_no
where p.tenant = $1 and p.person_no = $2 order by m.person_no for no key update of m
"""
_WRITE = """
update person p set traits = v.traits::jsonb from unnest($2::bigint[], $3::text[]) v(person_no, traits)
where p.tenant = $1 and p.person_no = v.person_no
"""


class Said(NamedTuple):
    """One trait that somebody told: whose, under which name, when in microseconds since 1970; None takes it back."""

    person_no: int
    name: str
    value: Any
    at: int


class Word(NamedTuple):
    """What somebody said of purposes: whose word it is, whether GPC came with it, and when, in microseconds since 1970."""

    person_no: int
    purposes: Mapping[str, bool]
    gpc: bool
    at: int


async def lock(connection: AsyncConnection, tenant: int, people: Collection[int]) -> None:
    """Lock people, for a transaction that changes several things of them."""
    await (await driver(connection)).fetch(_LOCKED, tenant, list(people))


async def add(connection: AsyncConnection, tenant: int, source: str, said: Sequence[Said]) -> dict[int, str]:
    """Store traits; return the places of those that were refused in what was given, each with the reason.

    What was told later stays, whatever comes first.
    """
    if not said:
        return {}
    rows = await (await driver(connection)).fetch(_LOCKED, tenant, list({one.person_no for one in said}))
    kept: dict[int, Told] = {number: orjson.loads(text) for number, text, _ in rows}
    refused = {}
    for place, one in sorted(enumerate(said), key=lambda one: one[1].at):
        if one.person_no in kept and (why := tell(kept[one.person_no], source, one.name, one.value, one.at)):
            refused[place] = why
    await write(connection, tenant, {number: kept[number] for number, text, _ in rows if kept[number] != orjson.loads(text)})
    return refused


async def say(connection: AsyncConnection, tenant: int, source: str, words: Sequence[Word]) -> list[int]:
    """Store what people said of purposes; return those for whom that changed anything. What was said later stays."""
    if not words:
        return []
    below = await driver(connection)
    rows = await below.fetch(_LOCKED, tenant, list({one.person_no for one in words}))
    before: dict[int, Kept] = {number: orjson.loads(text) for number, _, text in rows}
    after = dict(before)
    for one in words:
        if one.person_no in after:
            after[one.person_no] = purposes.say(after[one.person_no], one.purposes, source, one.at, gpc=one.gpc)
    changed = sorted(number for number in after if after[number] != before[number])
    if changed:
        await below.execute(_PURPOSES, tenant, changed, [orjson.dumps(after[number]).decode() for number in changed])
    return changed


async def untracked(connection: AsyncConnection, tenant: int, people: Collection[int], defaults: Defaults) -> set[int]:
    """Return those of people by number whose links and opens may not be followed, for what they said or where they are."""
    if not people:
        return set()
    rows = await (await driver(connection)).fetch(_TRACKING, tenant, list(people))
    return {
        number for number, kept, country in rows
        if not (defaults.at(country)[TRACKING] if (said := purposes.tracking_said(kept)) is None else said)
    }  # fmt: skip


async def group(connection: AsyncConnection, tenant: int, person_no: int) -> dict[int, Told]:
    """Return what is kept of each of the ids that are one person with a number, and keep others from changing it."""
    rows = await (await driver(connection)).fetch(_GROUP, tenant, person_no)
    return {number: orjson.loads(text) for number, text in rows}


async def write(connection: AsyncConnection, tenant: int, kept: dict[int, Told]) -> None:
    """Store what is kept of people by number, who are locked."""
    if kept:
        people = sorted(kept)
        await (await driver(connection)).execute(_WRITE, tenant, people, [orjson.dumps(kept[number]).decode() for number in people])
