"""Signals by day, out of the worker's sums, against a count over the raw rows."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.core.db import Database
from app.core.errors import NotFound
from app.data.events.machines import Mark
from app.data.kinds import Signal
from app.operations import rollups
from app.operations.signals import series
from tests.data.conftest import Put
from tests.data.engagement.test_jobs import NOON, heard
from tests.data.engagement.test_report import placements, serve

AGAIN = timedelta(hours=1, minutes=2)


async def summed(db: Database, now: datetime) -> None:
    while await rollups.roll_up(db, 1, now):
        pass


async def test_days_equal_a_count_over_the_raw_rows_however_often_they_are_summed(
    put: Put, db: Database, catalogue: dict[str, int]
) -> None:
    chance = random.Random(11)
    numbers = await placements(db)
    now = datetime.now(UTC)
    answers = [bytes([place]) * 16 for place in range(1, 9)]
    for answer in answers:
        at = now - timedelta(hours=chance.randint(2, 70))
        await serve(db, answer, at, chance.choice(list(numbers.values())), chance.choice(["spring", None]))
    told: list[Any] = []
    for place in range(120):
        signal = chance.choice([Signal.SENT, Signal.DELIVERED, Signal.OPEN, Signal.CLICK, Signal.IMPRESSION])
        seconds = (now - NOON).total_seconds() - chance.randint(3_600, 250_000)
        more: dict[str, Any] = {"serve": chance.choice([*answers, None]), "mark": chance.choice([None, None, Mark.TOLD])}
        told.append(
            heard(f"s{place}", signal, int(seconds), user=f"u{place % 9}", campaign=chance.choice(["spring", "fall", None]), **more)
        )
    await put(*told[:60])
    await summed(db, now + timedelta(minutes=3))
    ((known,),) = await db.rows("select max(event_no) from event")
    await put(*told[60:])
    # they come once the first were summed up
    await db.run("update event set received_at = received_at + interval '3 minutes' where event_no > :known", known=known)
    await summed(db, now + timedelta(minutes=6))
    await summed(db, now + AGAIN)
    first, last = (now - timedelta(days=4)).date(), (now + AGAIN).date()
    found = await series(db, 1, first, last)
    raw: Counter[tuple[Any, str, bool]] = Counter()
    for day, signal, marked, count in await db.rows(
        "select (occurred_at at time zone 'UTC')::date, signal, mark is not null, count(*) from event "
        "where signal is not null group by 1, 2, 3"
    ):
        raw[day, Signal(signal).name.lower(), marked] += count
    for day, count in await db.rows("select (served_at at time zone 'UTC')::date, count(*) from serve group by 1"):
        raw[day, "serve", False] += count
    counted = Counter({(day.day, name, False): count for day in found.days for name, count in day.counts.items() if count})
    counted.update({(day.day, name, True): count for day in found.days for name, count in day.machines.items()})
    assert counted == raw
    assert found.total.counts["open"] == sum(day.counts["open"] for day in found.days)
    spring = await series(db, 1, first, last, campaign="spring")
    assert {one.name for one in spring.campaigns} == {"spring"}
    assert spring.total.counts == next(one.counts for one in found.campaigns if one.name == "spring")
    grid = await series(db, 1, first, last, placement="email-grid")
    assert grid.total.counts == next(one.counts for one in found.placements if one.name == "email-grid")
    assert found.total.rates.clicked_per_answer == found.total.counts["click"] / found.total.counts["serve"]


async def test_a_mark_that_comes_later_moves_a_click_to_the_machines_within_the_hour(
    put: Put, db: Database, catalogue: dict[str, int]
) -> None:
    now = datetime.now(UTC)
    await put(heard("late", Signal.CLICK, int((now - NOON).total_seconds()) - 60))
    await summed(db, now + timedelta(minutes=3))
    first, last = (now - timedelta(days=1)).date(), (now + timedelta(days=1)).date()
    assert (await series(db, 1, first, last)).total.counts["click"] == 1
    await db.run("update event set mark = :mark", mark=int(Mark.TOLD))
    await summed(db, now + AGAIN)
    total = (await series(db, 1, first, last)).total
    assert (total.counts["click"], total.machines) == (0, {"click": 1})


async def test_an_unknown_placement_is_told_and_no_signal_is_a_row_of_zeros(db: Database, tenant: int) -> None:
    day = NOON.date()
    with pytest.raises(NotFound):
        await series(db, 1, day, day, placement="nowhere")
    found = await series(db, 1, day, day + timedelta(days=2))
    assert [sum(one.counts.values()) for one in found.days] == [0, 0, 0]
    assert found.total.rates.clicked_per_answer is None
