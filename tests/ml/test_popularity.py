"""Popular lists against what was inserted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.core import changes
from app.core.db import Database
from app.ml.popularity.service import refresh_popular
from tests.ml.database import add_events, add_items

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ITEMS = [("old", "shoes", True), ("hot", "shoes", True), ("gone", "shoes", False), ("hat", "hats", True), ("new", "hats", True)]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand at one moment."""
    monkeypatch.setattr("app.core.clock.now", lambda: NOW)


async def _lists(db: Database) -> dict[str, list[str]]:
    names = {row.group_no: row.group_id for row in await db.rows("select group_no, group_id from item_group")}
    rows: Any = await db.rows("select segment, groups from popular_list")
    return {row.segment: [names[group] for group in row.groups] for row in rows}


async def _shop(db: Database, tenant: int) -> dict[str, int]:
    await add_items(db, tenant, ITEMS)
    for person, country, consent in ((1, "DE", None), (2, "DE", 1), (3, "GB", 1), (4, "GB", 0)):
        await db.run(
            "insert into person (tenant, person_no, root_no, data_key, country, consent) values (:t, :p, :p, 'k', :c, :consent)",
            t=tenant,
            p=person,
            c=country,
            consent=consent,
        )
    return {row.group_id: row.group_no for row in await db.rows("select group_no, group_id from item_group")}


def _bought(person: int, group: int, days: float) -> tuple[int, int, int, datetime, int, float]:
    return (person, group, 7, NOW - timedelta(days=days), person, 1.0)


async def test_without_events_the_newest_come_first(db: Database, tenant: int) -> None:
    await _shop(db, tenant)
    await refresh_popular(db, tenant)
    assert await _lists(db) == {"": ["new", "hat", "hot", "old"], "category:shoes": ["hot", "old"], "category:hats": ["new", "hat"]}


async def test_recent_purchases_lead_by_segment_and_what_is_gone_is_left_out(db: Database, tenant: int) -> None:
    group = await _shop(db, tenant)
    events = [_bought(1, group["old"], 90), _bought(2, group["old"], 91), _bought(1, group["hot"], 1), _bought(3, group["hat"], 2)]
    events += [_bought(person, group["gone"], 1) for person in (1, 2, 3)]
    await add_events(db, tenant, events)
    assert await refresh_popular(db, tenant, half_life_days=14, least_people=1) == 5
    lists = await _lists(db)
    assert lists[""] == ["hot", "hat", "old", "new"]
    assert lists["category:hats"] == ["hat", "new"]
    assert lists["country:DE"] == ["hot", "old"]
    assert lists["country:GB"] == ["hat"]


async def test_one_person_counts_once_a_day_and_withdrawn_consent_not_at_all(db: Database, tenant: int) -> None:
    group = await _shop(db, tenant)
    events = [_bought(1, group["old"], 3)] * 9 + [_bought(2, group["hot"], 3), _bought(3, group["hot"], 3)]
    await add_events(db, tenant, events + [_bought(4, group["hat"], 0.1)] * 3)
    await refresh_popular(db, tenant)
    assert (await _lists(db))[""] == ["hot", "old", "new", "hat"]


async def test_lists_of_data_that_ended_long_ago_say_when_they_were_computed(db: Database, tenant: int) -> None:
    group = await _shop(db, tenant)
    await add_events(db, tenant, [_bought(1, group["old"], 900)])
    await refresh_popular(db, tenant)
    assert (await _lists(db))[""][0] == "old"
    assert {row.computed_at for row in await db.rows("select computed_at from popular_list")} == {NOW}


async def test_lists_are_replaced_and_servers_told(db: Database, tenant: int) -> None:
    group = await _shop(db, tenant)
    await refresh_popular(db, tenant, most=1)
    first = (await changes.versions(db))[tenant, "popular"]
    await db.run("update item set available = false where tenant = :t and group_no <> :g", t=tenant, g=group["old"])
    await refresh_popular(db, tenant, most=1)
    assert await _lists(db) == {"": ["old"], "category:shoes": ["old"]}
    assert (await changes.versions(db))[tenant, "popular"] > first


async def test_a_country_of_a_few_people_has_no_list_and_the_number_of_lists_is_bounded(db: Database, tenant: int) -> None:
    group = await _shop(db, tenant)
    await add_events(db, tenant, [_bought(1, group["old"], 1), _bought(2, group["old"], 1), _bought(3, group["hat"], 2)])
    await refresh_popular(db, tenant, least_people=2)
    assert set(await _lists(db)) == {"", "category:shoes", "category:hats", "country:DE"}
    await refresh_popular(db, tenant, least_people=1, most_lists=1)
    assert set(await _lists(db)) == {"", "category:shoes", "country:DE"}


async def test_a_published_segment_of_enough_people_has_a_list_of_what_its_people_want(db: Database, tenant: int) -> None:
    group = await _shop(db, tenant)
    names = {}
    for name, published in (("vip", 1), ("draft", None), ("small", 1)):
        await db.run(
            "insert into segment (tenant, name, published) values (:t, :name, :published)", t=tenant, name=name, published=published
        )
        names[name] = (await db.rows("select segment_no from segment where name = :name", name=name))[0][0]
    for name, people in (("vip", (1, 2)), ("draft", (1, 2)), ("small", (3,))):
        for person in people:
            await db.run("insert into segment_member values (:t, :n, :p, now())", t=tenant, n=names[name], p=person)
    events = [_bought(1, group["old"], 1), _bought(2, group["old"], 2), _bought(2, group["hat"], 40), _bought(3, group["hot"], 1)]
    await add_events(db, tenant, [*events, _bought(1, group["gone"], 1)])
    await refresh_popular(db, tenant, least_people=2)
    lists = await _lists(db)
    assert lists["segment:vip"] == ["old", "hat"]
    assert not {"segment:draft", "segment:small"} & set(lists)
    await refresh_popular(db, tenant, least_people=1)
    assert (await _lists(db))["segment:small"] == ["hot"]
    await refresh_popular(db, tenant, least_people=1, most_lists=1)
    assert [name for name in await _lists(db) if name.startswith("segment:")] == ["segment:vip"]
