"""SQL of people and their external ids."""

from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import driver
from app.core.ids import new_person_no, person_key
from app.data.people.domain import Identity, Person, Plan, plan
from app.data.people.keys import DataKeys

_ATTEMPTS = 5

# The limits keep the planner from reading all people where a few hundred are asked for.
_KNOWN = """
select i.kind, i.value, i.person_no, p.data_key, p.consent, i.kind = 1 or exists (
    select from person_identity u where u.tenant = $1 and u.person_no = i.person_no and u.kind = 1
) as has_user_id
from unnest($2::bytea[]) k
cross join lateral (select kind, value, person_no from person_identity where tenant = $1 and key = k limit 1) i
cross join lateral (select data_key, consent from person where tenant = $1 and person_no = i.person_no limit 1) p
"""
_ADD_PEOPLE = "insert into person (tenant, person_no, data_key) select $1, * from unnest($2::bigint[], $3::bytea[])"
_ADD_LINKS = """
insert into person_identity (tenant, key, kind, value, person_no, is_primary)
select $1, * from unnest($2::bytea[], $3::smallint[], $4::text[], $5::bigint[], $6::boolean[])
on conflict do nothing returning key
"""
_DEMOTE = "update person_identity set is_primary = false where tenant = $1 and person_no = any($2::bigint[]) and is_primary"
# Rows are locked by number before they change: two transactions that meet wait for each other and do not lock up.
_COUNTRIES = """
with told as materialized (
    select p.person_no, v.country from person p join unnest($2::bigint[], $3::text[]) v(person_no, country) using (person_no)
    where p.tenant = $1 and p.country is distinct from v.country order by p.person_no for no key update of p
)
update person p set country = told.country from told where p.tenant = $1 and p.person_no = told.person_no
"""
_TRAITS = """
with told as materialized (
    select p.person_no, v.traits::jsonb as traits from person p join unnest($2::bigint[], $3::text[]) v(person_no, traits) using (person_no)
    where p.tenant = $1 order by p.person_no for no key update of p
)
update person p set traits = p.traits || told.traits from told where p.tenant = $1 and p.person_no = told.person_no
"""


class _TakenMeanwhile(Exception):
    """Another transaction gave one of the ids to somebody first."""


async def resolve(
    connection: AsyncConnection, tenant: int, wanted: Collection[tuple[Identity, ...]], keys: DataKeys
) -> dict[tuple[Identity, ...], Person]:
    """Return the person of each tuple of ids (strongest first), creating and linking what is unknown."""
    for _ in range(_ATTEMPTS):
        found = plan(wanted, await _known(connection, tenant, wanted), lambda: _fresh(keys))
        if not found.links:
            return found.of
        try:
            async with _savepoint(await driver(connection)) as below:
                await _write(below, tenant, found)
            return found.of
        except _TakenMeanwhile:
            continue
    raise RuntimeError("ids of people kept changing hands while they were resolved")


async def known(connection: AsyncConnection, tenant: int, identity: Identity) -> Person | None:
    """Return the person of one id, or None."""
    return (await _known(connection, tenant, [(identity,)])).get(identity)


async def set_countries(connection: AsyncConnection, tenant: int, countries: dict[int, str]) -> None:
    """Store the country of people by person number."""
    if countries:
        people = sorted(countries)
        await (await driver(connection)).execute(_COUNTRIES, tenant, people, [countries[p] for p in people])


async def add_traits(connection: AsyncConnection, tenant: int, traits: dict[int, dict[str, Any]]) -> None:
    """Merge traits into those of people by person number."""
    if traits:
        people = sorted(traits)
        await (await driver(connection)).execute(_TRAITS, tenant, people, [orjson.dumps(traits[p]).decode() for p in people])


def _fresh(keys: DataKeys) -> Person:
    number = new_person_no()
    return Person(number, keys.new(number))


async def _known(connection: AsyncConnection, tenant: int, wanted: Iterable[tuple[Identity, ...]]) -> dict[Identity, Person]:
    every = sorted({person_key(tenant, kind, value) for ids in wanted for kind, value in ids})
    rows = await (await driver(connection)).fetch(_KNOWN, tenant, every)
    people: dict[int, Person] = {}
    by_id: dict[Identity, Person] = {}
    for kind, value, number, sealed, consent, has_user_id in rows:
        person = people.get(number)
        if person is None:
            person = people[number] = Person(number, sealed, None if consent is None else bool(consent), has_user_id)
        by_id[(kind, value)] = person
    return by_id


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


async def _write(below: Any, tenant: int, found: Plan) -> None:
    if found.people:
        await below.execute(_ADD_PEOPLE, tenant, [p.person_no for p in found.people], [p.sealed_key for p in found.people])
    if found.demoted:
        await below.execute(_DEMOTE, tenant, found.demoted)
    # sorted, so that two transactions that meet wait for each other instead of dying in a deadlock
    rows = sorted((person_key(tenant, i[0], i[1]), i[0], i[1], person.person_no, primary) for i, person, primary in found.links)
    stored = await below.fetch(_ADD_LINKS, tenant, *(list(column) for column in zip(*rows, strict=True)))
    if len(stored) != len(rows):
        raise _TakenMeanwhile
