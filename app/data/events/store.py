"""SQL of events: claiming ids once, and copying rows in."""

from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core import locks
from app.core.db import Database, driver


class EventRow(NamedTuple):
    """A row of the table, as every way in builds it."""

    tenant: int
    occurred_at: datetime
    message_id: bytes
    person_no: int
    kind: int
    name: str
    item_no: int | None
    group_no: int | None
    order_key: int | None
    quantity: float | None
    value: float | None
    source_no: int | None
    payload: bytes | None
    on_site: bool
    public: bool


class SignalRow(NamedTuple):
    """What a signal has beside; other events leave these empty, and are copied without them."""

    signal: int
    mark: int | None
    client: int | None
    recommendation_id: bytes | None
    campaign: str | None
    placement_no: int | None


# numbers of people are odd: nobody's events and those of the probe are left out
_LATELY = """
with newest as materialized (
    select person_no, mark from event where tenant = $1 and received_at >= $2 and person_no % 2 = 1
    order by received_at desc, event_no desc limit $3
)
select person_no, (select count(*) from newest) from newest where mark is null group by person_no
"""
# Only one rotates at a time. Claiming needs no lock of its own: a statement that names both tables has them locked before it takes its
# snapshot, and emptying one waits for all who have claimed in it, so nobody claims in a generation that is being emptied. The limits
# keep the planner from reading a whole generation.
_CLAIM = """
with now as materialized (select current from seen_generation),
zero as (
    insert into seen_0 (tenant, message_id) select $1, m from unnest($2::bytea[]) m
    where (select current from now) = 0 and (select true from seen_1 where tenant = $1 and message_id = m limit 1) is null
    on conflict do nothing returning message_id
),
one as (
    insert into seen_1 (tenant, message_id) select $1, m from unnest($2::bytea[]) m
    where (select current from now) = 1 and (select true from seen_0 where tenant = $1 and message_id = m limit 1) is null
    on conflict do nothing returning message_id
)
select array(select message_id from zero union all select message_id from one)
"""


async def claim_messages(connection: AsyncConnection, tenant: int, ids: Collection[bytes], source_no: int | None = None) -> set[bytes]:
    """Return those message ids that were not seen within the last two generations, whatever source told them, and remember them."""
    # sorted, so that two transactions that meet wait for each other instead of dying in a deadlock
    return set(await (await driver(connection)).fetchval(_CLAIM, tenant, sorted(ids)))


async def claim_rows(connection: AsyncConnection, tenant: int, hashes: Collection[bytes], source_no: int | None) -> set[bytes]:
    """Return those rows of a source that never landed before, and enter them in the ledger."""
    rows = await (await driver(connection)).fetch(
        """insert into import_ledger (tenant, source_no, row_hash) select $1, $2, h from unnest($3::bytea[]) h
           on conflict do nothing returning row_hash""",
        tenant,
        source_no,
        sorted(hashes),
    )
    return {row[0] for row in rows}


async def rotate_seen(db: Database, older_than_s: float = 86_400) -> bool:
    """Empty the older generation and make it the current one, if the current one is old enough; tell whether it was."""
    async with db.begin() as connection:
        await connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": locks.SEEN_GENERATIONS})
        old = await connection.scalar(
            text("select current from seen_generation where since < now() - make_interval(secs => :age)"), {"age": older_than_s}
        )
        if old is None:
            return False
        await connection.execute(text(f"truncate seen_{1 - old}"))
        await connection.execute(text("update seen_generation set current = 1 - current, since = now()"))
        return True


async def items(connection: AsyncConnection, tenant: int, item_ids: Collection[str]) -> dict[str, tuple[int, int, str]]:
    """Return item number, group number and currency of each known item id."""
    if not item_ids:
        return {}
    rows = await (await driver(connection)).fetch(
        "select item_id, item_no, group_no, currency from item where tenant = $1 and item_id = any($2::text[])", tenant, list(item_ids)
    )
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


async def groups(connection: AsyncConnection, tenant: int, group_ids: Collection[str]) -> dict[str, int]:
    """Return the number of each known group id."""
    if not group_ids:
        return {}
    rows = await (await driver(connection)).fetch(
        "select group_id, group_no from item_group where tenant = $1 and group_id = any($2::text[])", tenant, list(group_ids)
    )
    return {row[0]: row[1] for row in rows}


async def add(connection: AsyncConnection, records: Iterable[EventRow]) -> None:
    """Copy event rows in."""
    await (await driver(connection)).copy_records_to_table("event", columns=EventRow._fields, records=records)


async def add_signals(connection: AsyncConnection, records: Iterable[tuple[EventRow, SignalRow]]) -> None:
    """Copy signals in."""
    await (await driver(connection)).copy_records_to_table(
        "event", columns=EventRow._fields + SignalRow._fields, records=[(*row, *signal) for row, signal in records]
    )


async def lately(connection: AsyncConnection, tenant: int, since: datetime, most: int) -> tuple[list[int], bool]:
    """Return who had events since a moment, among so many of the newest ones, and whether there were more; machines do not count."""
    rows = await (await driver(connection)).fetch(_LATELY, tenant, since, most)
    return [row[0] for row in rows], bool(rows and rows[0][1] >= most)


async def placements(connection: AsyncConnection, tenant: int, names: Collection[str]) -> dict[str, int]:
    """Return the number of each known placement."""
    if not names:
        return {}
    rows = await (await driver(connection)).fetch(
        "select name, placement_no from placement where tenant = $1 and name = any($2::text[])", tenant, list(names)
    )
    return {row[0]: row[1] for row in rows}


async def source(db: Database, tenant: int, name: str) -> int:
    """Return the number of an event source, creating it at its first use."""
    async with db.begin() as connection:
        number = await connection.scalar(
            text(
                "insert into event_source (tenant, name) values (:tenant, :name) "
                "on conflict (tenant, name) do update set name = excluded.name returning source_no"
            ),
            {"tenant": tenant, "name": name},
        )
    assert number is not None
    return int(number)


@asynccontextmanager
async def only_import(db: Database, source_no: int) -> AsyncIterator[bool]:
    """Hold a source for one import; gives False when another import holds it."""
    async with db.engine.connect() as connection:
        lock = {"space": locks.IMPORT_SOURCE, "source": source_no}
        free = await connection.scalar(text("select pg_try_advisory_lock(:space, :source)"), lock)
        await connection.commit()
        try:
            yield bool(free)
        finally:
            if free:
                # a connection that died took its lock with it
                with suppress(DBAPIError, OSError):
                    await connection.execute(text("select pg_advisory_unlock(:space, :source)"), lock)
