"""Which events a training reads, and what it says of those it does not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.core.db import Database
from app.core.errors import Invalid
from app.core.settings import Settings
from app.ml.interactions import Interactions
from app.ml.popularity.service import refresh_popular
from app.ml.training import supply
from app.ml.training.service import Options, train
from tests.ml.database import CATALOGUE, add_events, add_items, fill

END = datetime(2026, 3, 1, tzinfo=UTC)
OLD = datetime(2003, 3, 1, tzinfo=UTC)


async def _person(db: Database, tenant: int, consent: int | None = None) -> None:
    await db.run("insert into person (tenant, person_no, root_no, data_key, consent) values (:t, 9, 9, 'k', :c)", t=tenant, c=consent)


async def test_all_events_count_by_default_and_days_asks_for_fewer(
    db: Database, settings: Settings, tenant: int, shop: Interactions
) -> None:
    groups = await fill(db, tenant, shop, END)
    await add_events(
        db, tenant, [(100, groups[0], 7, END - timedelta(days=4000), None, 1.0), (100, None, 7, END - timedelta(1), None, 1.0)]
    )  # type: ignore[list-item]
    stored = len(shop.row) + 2
    (whole,) = await train(db, settings, tenant, ["popular"], CATALOGUE, Options(until=END, holdout_days=0))
    assert whole.used.startswith(f"used {stored - 1:,} of {stored:,} events, from 2015-03-19 to 2026-03-01")
    assert "1 name no item of the catalogue" in whole.used
    assert whole.manifest.data["events"] == stored - 1
    assert (whole.manifest.data["events_stored"], whole.manifest.data["left_out"]["without_item"]) == (stored, 1)
    assert whole.manifest.data["from"] < "2015-03-20"
    (part,) = await train(db, settings, tenant, ["popular"], CATALOGUE, Options(until=END, days=100, holdout_days=0))
    assert part.manifest.data["events"] == int((shop.age <= 100).sum())
    assert part.manifest.data["left_out"]["window_consent_returns"] == stored - 1 - part.manifest.data["events"]
    with pytest.raises(Invalid, match="days must be above 0"):
        await train(db, settings, tenant, ["popular"], CATALOGUE, Options(until=END, days=0))


async def test_more_events_than_memory_is_meant_for_are_cut_to_the_newest(
    db: Database, settings: Settings, tenant: int, shop: Interactions
) -> None:
    await fill(db, tenant, shop, END)
    found = await supply.look(db, tenant, now=END, until=END, days=None, most=1000)
    (row,) = await db.rows("select count(*) as n from event where occurred_at >= :start", start=found.window.start)
    assert row.n == 1000


async def test_data_that_ended_long_ago_are_learned_as_of_their_end(
    db: Database, settings: Settings, tenant: int, shop: Interactions
) -> None:
    await fill(db, tenant, shop, OLD)
    (old,) = await train(db, settings, tenant, ["personal"], CATALOGUE)
    assert old.manifest.data["to"].startswith("2003-02-28")
    assert old.manifest.metrics["all"]["people"] > 100
    assert old.manifest.metrics["all"]["ndcg@10"] > 0.3
    await refresh_popular(db, tenant)
    (row,) = await db.rows("select groups, scores from popular_list where tenant = :t and segment = ''", t=tenant)
    assert max(row.scores) > 1
    assert row.scores[0] > 3 * row.scores[-1]


async def test_nothing_to_learn_from_names_the_dates_and_what_to_do(db: Database, settings: Settings, tenant: int) -> None:
    async def told(options: Options) -> str:
        with pytest.raises(Invalid, match="no events to learn from") as raised:
            await train(db, settings, tenant, ["popular"], CATALOGUE, replace(options, holdout_days=0))
        return raised.value.detail

    await add_items(db, tenant, [("a", "", True)])
    (group,) = [row.group_no for row in await db.rows("select group_no from item_group")]
    await _person(db, tenant)
    assert "import events for items of the catalogue first" in await told(Options())
    await add_events(db, tenant, [(9, None, 7, END, None, 1.0)])  # type: ignore[list-item]
    assert "1 events are stored, but 1 name no item of the catalogue" in await told(Options())
    await add_events(db, tenant, [(9, group, 7, END, None, 1.0)])
    window = await told(Options(until=END + timedelta(days=90), days=30))
    assert "the newest is of 2026-03-01, and the window begins on 2026-04-30" in window
    assert "--days" in window
    assert "the first is of 2026-03-01" in await told(Options(until=END))
    await db.run("update person set consent = 0")
    assert "without consent" in await told(Options())
