"""Filters go by the price that is shown, sales and expiries by the clock, and one odd number stops nobody."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.core.ids import DEFAULT_TENANT
from app.data.catalogue.service import put_items
from app.decisions.placements import service as placements
from app.decisions.placements.domain import Filter, Placement
from app.serving.render import shelf
from app.serving.snapshot.building import Rows, build
from tests.serving.shop import Shop
from tests.serving.test_snapshot import record


async def put(shop: Shop, *documents: dict[str, Any]) -> None:
    outcome = await put_items(shop.db, shop.settings, DEFAULT_TENANT, documents)
    assert not outcome.refused
    await shop.settled()


async def shown(shop: Shop, placement: str) -> dict[str, Any]:
    answer = (await shop.get(placement=placement)).json()
    return {item["item_id"]: item["price"] for item in answer["items"]}


async def place(shop: Shop, name: str, **wanted: Any) -> None:
    placement = Placement(recommender="", count=10, filter=Filter(categories=("PF",), **wanted))
    await placements.publish(shop.db, DEFAULT_TENANT, name, placement)
    await shop.settled()


def span(begins: timedelta, ends: timedelta) -> str:
    now = datetime.now(UTC)
    return f"{(now + begins).isoformat()}/{(now + ends).isoformat()}"


async def test_bounds_of_a_price_mean_the_price_that_is_shown(shop: Shop) -> None:
    await place(shop, "over", price_min=20)
    await place(shop, "under", price_max=20)
    await put(
        shop,
        {"id": "on", "category": "PF", "price": "30 GBP", "sale_price": "15 GBP"},
        {"id": "later", "category": "PF", "price": "30 GBP", "sale_price": "15 GBP",
         "sale_price_effective_date": span(timedelta(days=1), timedelta(days=2))},
    )  # fmt: skip
    assert await shown(shop, "over") == {"later": 30}
    assert await shown(shop, "under") == {"on": 15}


async def test_bounds_count_in_the_currency_of_most_items_or_the_one_they_name(shop: Shop) -> None:
    await place(shop, "dear", price_min=1000)
    await place(shop, "yen", price_min=1000, currency="JPY")
    await put(
        shop,
        {"id": "cheap", "category": "PF", "price": "1500 JPY"},
        {"id": "dear", "category": "PF", "price": "1500 GBP"},
    )
    assert await shown(shop, "dear") == {"dear": 1500}
    assert await shown(shop, "yen") == {"cheap": 1500}


async def test_a_sale_begins_and_ends_by_the_clock_in_filters_and_answers_without_the_database(shop: Shop) -> None:
    await place(shop, "under", price_max=20)
    dates = span(timedelta(seconds=4), timedelta(seconds=10))
    await put(
        shop,
        {"id": "always", "category": "PF", "price": "5 GBP"},  # a filter that leaves nothing would be widened
        {"id": "flash", "category": "PF", "price": "30 GBP", "sale_price": "15 GBP", "sale_price_effective_date": dates},
    )
    assert await shown(shop, "under") == {"always": 5}
    holder = shop.app.state.resources.holder

    async def on() -> bool:
        await holder.turn(time.time())
        return await shown(shop, "under") == {"always": 5, "flash": 15}

    async def off() -> bool:
        await holder.turn(time.time())
        return await shown(shop, "under") == {"always": 5}

    assert await shop.until(on)
    assert await shop.until(off)


async def test_a_pinned_letter_shows_the_price_of_the_moment_it_is_opened(shop: Shop) -> None:
    await place(shop, "letter")
    locales = {
        "de": {"price": "30 EUR", "sale_price": "15 EUR", "sale_price_effective_date": span(timedelta(seconds=3), timedelta(days=1))}
    }
    await put(shop, {"id": "mail", "category": "PF", "price": "30 GBP", "locales": locales})

    async def price() -> Any:
        return (await shop.get(placement="letter", user_id="u1", locale="de", send_id="s1")).json()["items"][0]["price"]

    assert [await price(), await price(), await price()] == [30, 30, 30]

    async def reduced() -> bool:
        return bool(await price() == 15)

    assert await shop.until(reduced)


async def test_an_item_that_has_expired_is_not_shown(shop: Shop) -> None:
    await place(shop, "all")
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    await put(
        shop,
        {"id": "old", "category": "PF", "price": "5 GBP", "expiration_date": "2020-01-01"},
        {"id": "soon", "category": "PF", "price": "5 GBP", "expiration_date": soon},
        {"id": "new", "category": "PF", "price": "5 GBP", "expiration_date": "2099-01-01"},
    )
    assert await shown(shop, "all") == {"soon": 5, "new": 5}

    async def gone() -> bool:
        await shop.app.state.resources.holder.turn(time.time())
        return await shown(shop, "all") == {"new": 5}

    assert await shop.until(gone)


@pytest.mark.parametrize("size", ["9e999999999", "1e300000", "9" * 5000, 10**18])
def test_an_item_with_a_number_without_bound_is_shown_at_once(size: Any) -> None:
    import orjson

    raw = orjson.dumps({"id": "i1", "image_width": size, "image_height": size, "price": "9e999999999"})
    rows = Rows()
    rows.add([(*record(1)[:8], raw, *record(1)[9:])])
    began = time.monotonic()
    shown = shelf.show(build(rows, 0.0), 0, "", time.time())
    assert time.monotonic() - began < 0.5
    assert (shown.values["image_width"], shown.values["image_height"], shown.values["price"]) == (600, 600, 0)


def test_what_moves_with_the_clock_moves_at_its_last_instant_and_is_kept_by_a_change() -> None:
    rows = Rows()
    rows.add([record(1), record(2, price=30.0, sale=15.0, begins=100.0, ends=200.0), record(3, expires=150.0)])
    found = build(rows, 0.0)
    prices = {
        now: (float(found.at(now).price[1]), bool(found.at(now).available[2]), found.at(now).until)
        for now in (0.0, 100.0, 150.0, 151.0, 201.0)
    }
    assert {now: one[:2] for now, one in prices.items()} == {
        0.0: (30.0, True), 100.0: (15.0, True), 150.0: (15.0, True), 151.0: (15.0, False), 201.0: (30.0, False),
    }  # fmt: skip
    assert [round(one[2], 3) for one in prices.values()][:2] == [100.0, 150.0]
    assert prices[201.0][2] == float("inf")
