"""Months of events are dropped after the time they are to be kept, and nothing else is."""

from datetime import UTC, datetime

from sqlalchemy import text

from app.core.db import Database
from app.core.partitions import ensure_partitions
from app.core.settings import Settings
from app.core.telemetry import EVENT_MONTHS_DROPPED
from app.data.online.publisher import Publisher
from app.data.people import states
from app.data.privacy.retention import drop_old_events, drop_old_serves
from tests.data.conftest import Put, event

NOW = datetime(2026, 5, 15, tzinfo=UTC)
ARRIVED = [datetime(2025, 12, 31, 23, 59, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC), NOW]


async def filled(db: Database, put: Put) -> None:
    """Store an event in each of four months, told apart by the minute they happened."""
    for moment in (datetime(2025, 12, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)):
        await ensure_partitions(db, moment)
    await put(*(event(n, f"u{n}") for n in range(4)))
    for number, moment in enumerate(ARRIVED):
        await db.run("update event set received_at = :moment where extract(minute from occurred_at) = :n", moment=moment, n=number)


async def left(db: Database) -> list[datetime]:
    return [row[0] for row in await db.rows("select received_at from event order by received_at")]


async def test_months_that_ended_longer_ago_than_the_retention_are_dropped(db: Database, put: Put) -> None:
    await filled(db, put)
    before = EVENT_MONTHS_DROPPED._value.get()
    dropped = await drop_old_events(db, 1, NOW)
    assert dropped == ["event_202512", "event_202601", "event_202602", "event_202603"]
    assert await left(db) == ARRIVED[2:]
    assert EVENT_MONTHS_DROPPED._value.get() == before + 4
    assert (await db.rows("select to_regclass('event_202603') is null"))[0][0]
    assert await drop_old_events(db, 1, NOW) == []


async def test_old_events_that_came_while_their_month_had_no_partition_are_deleted_too(db: Database, put: Put) -> None:
    await put(*(event(n, f"u{n}") for n in range(4)))
    for number, moment in enumerate(ARRIVED):
        await db.run("update event set received_at = :moment where extract(minute from occurred_at) = :n", moment=moment, n=number)
    assert (await db.rows("select count(*) from event_default"))[0][0] == 4
    await drop_old_events(db, 1, NOW)
    assert await left(db) == ARRIVED[2:]


async def test_zero_months_keep_everything(db: Database, put: Put) -> None:
    await filled(db, put)
    assert await drop_old_events(db, 0, NOW) == []
    assert await left(db) == ARRIVED


async def test_a_month_that_is_being_read_is_left_for_the_next_time(db: Database, put: Put) -> None:
    await filled(db, put)
    async with db.begin() as reader:
        await reader.execute(text("select count(*) from event"))
        assert await drop_old_events(db, 1, NOW) == []
        await put(event(9, "later"))
    assert len(await drop_old_events(db, 1, NOW)) == 4


async def test_a_state_keeps_what_was_dropped_until_its_person_does_something(
    db: Database, put: Put, settings: Settings, publisher: Publisher, tenant: int, catalogue: dict[str, int]
) -> None:
    await filled(db, put)
    applier = states.Applier(db, settings, publisher, tenant)
    await applier.apply()

    async def sizes() -> list[tuple[int, ...]]:
        rows = await db.rows("select length(state) from person_state order by 1")
        return [tuple(row) for row in rows]

    before = await sizes()
    await drop_old_events(db, 1, NOW)
    await applier.apply()
    assert await sizes() == before
    await put(event(5, "u0", "b"))
    await applier.apply()
    assert sum(row[0] for row in await sizes()) == sum(row[0] for row in before)


async def test_records_of_serves_are_dropped_by_when_they_were_served(db: Database) -> None:
    for moment in (datetime(2025, 12, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)):
        await ensure_partitions(db, moment)
    # the first lies before any partition
    served = [datetime(2025, 10, 1, tzinfo=UTC), *ARRIVED]
    for number, moment in enumerate(served):
        await db.run(
            "insert into serve (tenant, served_at, recommendation_id, rung, reason, items, prices, latency_us) "
            "values (1, :at, :id, 0, 0, '{}', '{}', 1)",
            at=moment,
            id=bytes([number]),
        )

    async def kept() -> list[datetime]:
        return [row[0] for row in await db.rows("select served_at from serve order by served_at")]

    assert await drop_old_serves(db, 0, NOW) == []
    assert await kept() == served
    assert await drop_old_serves(db, 1, NOW) == ["serve_202512", "serve_202601", "serve_202602", "serve_202603"]
    assert await kept() == ARRIVED[2:]
    assert (await db.rows("select count(*) from pg_inherits where inhparent = 'event'::regclass"))[0][0] > 4, "events stay"
