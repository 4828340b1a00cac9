"""SQL of people and their external ids."""

from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import driver
from app.core.ids import new_person_no, person_key
from app.data.identity.domain import Identity, Person
from app.data.identity.vault import DataKeys

_ATTEMPTS = 5

# The limits keep the planner from reading all people where a few hundred are asked for.
_KNOWN = """
select i.kind, i.value, i.person_no, p.data_key, p.consent
from unnest($2::bytea[]) k
cross join lateral (select kind, value, person_no from person_identity where tenant = $1 and key = k limit 1) i
cross join lateral (select data_key, consent from person where tenant = $1 and person_no = i.person_no limit 1) p
"""
_ADD_PEOPLE = """
insert into person (tenant, person_no, root_no, kind, data_key)
select $1, n, n, k, d from unnest($2::bigint[], $3::smallint[], $4::bytea[]) v(n, k, d)
"""
_ADD_IDS = """
insert into person_identity (tenant, key, kind, value, person_no, is_primary)
select $1, v.*, true from unnest($2::bytea[], $3::smallint[], $4::text[], $5::bigint[]) v
on conflict do nothing returning key
"""
# Rows are locked by number before they change: two transactions that meet wait for each other and do not lock up. What was told last
# counts, whatever came first; of several countries or values told at one moment the last by name.
_COUNTRIES = """
with told as materialized (
    select p.person_no, v.country, v.at from person p
    join unnest($2::bigint[], $3::text[], $4::timestamptz[]) v(person_no, country, at) using (person_no)
    where p.tenant = $1 and (coalesce(p.country_at, '-infinity'), coalesce(p.country, '')) < (v.at, v.country)
    order by p.person_no for no key update of p
)
update person p set country = told.country, country_at = told.at from told where p.tenant = $1 and p.person_no = told.person_no
"""


_CONSENT_AT = """
select p.person_no, (select max(m.consent_at) from person m where m.tenant = $1 and m.root_no = p.root_no)
from person p where p.tenant = $1 and p.person_no = any($2::bigint[])
"""


class _TakenMeanwhile(Exception):
    """Another transaction gave one of the ids to somebody first."""


async def resolve(connection: AsyncConnection, tenant: int, wanted: Collection[Identity], keys: DataKeys) -> dict[Identity, Person]:
    """Return the person of each id; an id that nobody knows becomes a person of its own."""
    for _ in range(_ATTEMPTS):
        found = await _known(connection, tenant, wanted)
        missing = set(wanted) - found.keys()
        if not missing:
            return found
        new = {identity: _fresh(keys) for identity in missing}
        try:
            async with _savepoint(await driver(connection)) as below:
                await _write(below, tenant, new)
            return found | new
        except _TakenMeanwhile:
            continue
    raise RuntimeError("ids of people kept changing hands while they were resolved")


async def known(connection: AsyncConnection, tenant: int, identity: Identity) -> Person | None:
    """Return the person of one id, or None."""
    return (await _known(connection, tenant, [identity])).get(identity)


async def known_of(connection: AsyncConnection, tenant: int, wanted: Collection[Identity]) -> dict[Identity, Person]:
    """Return the people of those ids that somebody has."""
    return await _known(connection, tenant, wanted) if wanted else {}


async def consent_moments(connection: AsyncConnection, tenant: int, people: Collection[int]) -> dict[int, datetime]:
    """Return when people, or ids that are one with them, last said whether they want personal answers; who said nothing is left out."""
    rows = await (await driver(connection)).fetch(_CONSENT_AT, tenant, list(people))
    return {number: at for number, at in rows if at is not None}


async def set_countries(connection: AsyncConnection, tenant: int, countries: dict[int, tuple[str, datetime]]) -> None:
    """Store the country of people by person number, and when it was told; one that was told later stays."""
    if countries:
        people = sorted(countries)
        columns = (list(column) for column in zip(*(countries[p] for p in people), strict=True))
        await (await driver(connection)).execute(_COUNTRIES, tenant, people, *columns)


def _fresh(keys: DataKeys) -> Person:
    number = new_person_no()
    return Person(number, keys.new(number), fresh=True)


async def _known(connection: AsyncConnection, tenant: int, wanted: Iterable[Identity]) -> dict[Identity, Person]:
    every = sorted({person_key(tenant, kind, value) for kind, value in wanted})
    rows = await (await driver(connection)).fetch(_KNOWN, tenant, every)
    return {
        (kind, value): Person(number, sealed, None if consent is None else bool(consent)) for kind, value, number, sealed, consent in rows
    }


@asynccontextmanager
async def _savepoint(below: Any) -> AsyncIterator[Any]:
    """Take back what the block wrote if it fails, and go on with the transaction, whoever began it."""
    await below.execute("savepoint resolving")
    try:
        yield below
    except _TakenMeanwhile:
        await below.execute("rollback to savepoint resolving")
        raise
    await below.execute("release savepoint resolving")


async def _write(below: Any, tenant: int, new: dict[Identity, Person]) -> None:
    # sorted, so that two transactions that meet wait for each other instead of dying in a deadlock
    rows = sorted((person_key(tenant, i[0], i[1]), i[0], i[1], person.person_no, person.sealed_key) for i, person in new.items())
    keys, kinds, values, numbers, sealed = (list(column) for column in zip(*rows, strict=True))
    await below.execute(_ADD_PEOPLE, tenant, numbers, kinds, sealed)
    if len(await below.fetch(_ADD_IDS, tenant, keys, kinds, values, numbers)) != len(rows):
        raise _TakenMeanwhile
