"""Roll-ups: minutes and hours say what the records say, once, however often they are summed up; what is old goes."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core.db import Database
from app.core.ids import DEFAULT_TENANT
from app.operations import rollups
from app.operations.overview import overview, quantile
from app.operations.rollups import BOUNDS_US, forget_old, roll_up

NOW = datetime.now(UTC).replace(second=30, microsecond=0)
LIVE, CACHED, POPULAR = 0, 1, 4


async def served(
    db: Database, minutes_ago: float, rung: int = CACHED, latency_us: int = 1_500, items: tuple[int, ...] = (1, 2), number: int = 0
) -> None:
    await db.run(
        "insert into serve (tenant, served_at, recommendation_id, placement_no, client_no, rung, reason, items, prices, latency_us) "
        "values (:tenant, :at, decode(md5(random()::text), 'hex'), 1, 1, :rung, :reason, :items, '{}', :latency)",
        tenant=DEFAULT_TENANT,
        at=NOW - timedelta(minutes=minutes_ago),
        rung=rung,
        reason=2 if rung == POPULAR else 0,
        items=list(items),
        latency=latency_us + number,
    )


async def happened(db: Database, minutes_ago: float, kind: int = 3) -> None:
    await db.run(
        "insert into event (tenant, received_at, occurred_at, message_id, person_no, kind) "
        "values (:tenant, :at, :at, decode(md5(random()::text), 'hex'), 0, :kind)",
        tenant=DEFAULT_TENANT,
        at=NOW - timedelta(minutes=minutes_ago),
        kind=kind,
    )


async def summed(db: Database, now: datetime = NOW) -> None:
    while await roll_up(db, DEFAULT_TENANT, now):
        pass


async def test_what_was_answered_and_came_in_is_summed_up_once(db: Database) -> None:
    for minutes in (3, 3, 70, 70, 200):
        await served(db, minutes)
    await served(db, 70, POPULAR, 40_000, ())
    for minutes in (3, 70, 70):
        await happened(db, minutes)
    await summed(db)
    await summed(db, NOW + timedelta(seconds=20))
    for start, step in ((NOW - timedelta(days=1), "minutes"), (NOW - timedelta(days=20), "hours")):
        told = await overview(db, DEFAULT_TENANT, start, NOW)
        assert told.answers.count == 6, step
        assert told.answers.empty == 1
        assert told.answers.fallback == pytest.approx(1 / 6)
        assert told.answers.reasons == {"unknown_user": 1}
        assert sum(one.events for one in told.steps) == 3
        assert {one.kind: one.count for one in told.events} == {"view": 3}
        assert sum(sum(one.rungs.values()) for one in told.steps) == 6
        assert len(told.steps) <= 481


async def test_the_newest_minute_waits_until_its_records_are_written(db: Database) -> None:
    await served(db, 0.2)
    await summed(db)
    assert (await overview(db, DEFAULT_TENANT, NOW - timedelta(hours=1), NOW)).answers.count == 0
    await summed(db, NOW + timedelta(minutes=3))
    assert (await overview(db, DEFAULT_TENANT, NOW - timedelta(hours=1), NOW + timedelta(minutes=3))).answers.count == 1


async def test_hours_hold_what_minutes_held_when_those_are_gone(db: Database) -> None:
    for number in range(5):
        await served(db, 300, latency_us=900 * (number + 1))
    await summed(db)
    minutes = await overview(db, DEFAULT_TENANT, NOW - timedelta(days=1), NOW)
    await db.run("update rollup_serve set at = at - interval '20 days'")
    await forget_old(db, DEFAULT_TENANT)
    assert (await db.rows("select count(*) from rollup_serve where width = 60"))[0][0] == 0
    hours = await overview(db, DEFAULT_TENANT, NOW - timedelta(days=25), NOW - timedelta(days=18))
    assert hours.answers == minutes.answers


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [([0] * 12, 0.5, None), ([4] + [0] * 11, 0.5, 0.5), ([0, 0, 10] + [0] * 9, 0.99, 4.97), ([0] * 11 + [1], 0.5, 1000.0)],
)
def test_a_quantile_lies_within_its_bucket(counts: list[int], share: float, expected: float | None) -> None:
    assert len(counts) == len(BOUNDS_US) + 1
    found = quantile(counts, share)
    assert found == (None if expected is None else pytest.approx(expected, abs=0.01))


def test_what_is_above_the_last_bound_has_a_place() -> None:
    assert rollups._LATENCY.count("filter") == len(BOUNDS_US) + 1
