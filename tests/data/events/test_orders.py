"""An order counts once however many tell it, and what is returned or cancelled is taken back."""

import itertools
import random
from typing import Any

import httpx
import numpy as np
import pytest

from app.core.db import Database
from app.core.settings import Settings
from app.data.kinds import Kind
from app.data.profiles import orders

BUY, RETURN, CANCEL = int(Kind.PURCHASE), int(Kind.RETURN), int(Kind.ORDER_CANCEL)
# person, group, kind, moment, order, telling, quantity
Row = tuple[int, int, int, int, int, int, float]


def left(*rows: Row) -> list[float]:
    """Return what is left of each purchase, in the order given; the same whatever order the rows come in."""
    seen = set()
    for turn in range(6):
        places = list(range(len(rows)))
        if turn:
            random.Random(turn).shuffle(places)
        columns = [np.array(column) for column in zip(*(rows[place] for place in places), strict=True)]
        void, amount = orders.left(*columns[:6], columns[6].astype(np.float32))  # type: ignore[arg-type]
        back = {place: 0.0 if void[at] else float(amount[at]) for at, place in enumerate(places)}
        seen.add(tuple(back[place] for place, row in enumerate(rows) if row[2] == BUY))
    assert len(seen) == 1
    return list(seen.pop())


def test_an_order_told_by_the_page_and_the_server_counts_once() -> None:
    assert left((1, 5, BUY, 10, 77, 1001, 1), (1, 5, BUY, 12, 77, 1002, 1)) == [1, 0]


def test_lines_of_one_telling_all_count() -> None:
    assert left((1, 5, BUY, 10, 77, 1001, 1), (1, 5, BUY, 10, 77, 1001, 2), (1, 6, BUY, 10, 77, 1001, 1)) == [1, 2, 1]


def test_the_telling_with_the_most_pieces_counts_and_lines_told_alone_are_joined() -> None:
    assert left((1, 5, BUY, 10, 77, 1, 1), (1, 5, BUY, 12, 77, 2, 2), (1, 6, BUY, 13, 77, 3, 1)) == [0, 2, 1]


def test_orders_of_others_and_orders_without_an_id_stay() -> None:
    assert left((1, 5, BUY, 10, 77, 1, 1), (2, 5, BUY, 12, 77, 2, 1), (1, 5, BUY, 10, 0, 0, 1), (1, 5, BUY, 11, 0, 0, 1)) == [1, 1, 1, 1]


def test_a_cancelled_order_is_taken_back_whole_and_no_other() -> None:
    assert left((1, 5, BUY, 10, 77, 1, 1), (1, 6, BUY, 10, 77, 1, 1), (1, 5, BUY, 20, 78, 2, 1), (1, 0, CANCEL, 30, 77, 0, 0)) == [0, 0, 1]


def test_a_return_takes_pieces_of_its_order_and_never_more_than_were_bought() -> None:
    assert left((1, 5, BUY, 10, 77, 1, 3), (1, 5, RETURN, 20, 77, 0, 1)) == [2]
    assert left((1, 5, BUY, 10, 77, 1, 3), (1, 5, BUY, 11, 78, 2, 1), (1, 5, RETURN, 20, 77, 0, 9)) == [0, 1]
    assert left((1, 5, BUY, 10, 77, 1, 3), (1, 6, RETURN, 20, 77, 0, 3)) == [3]


def test_a_return_without_a_known_order_takes_what_was_bought_before() -> None:
    assert left((1, 5, BUY, 10, 77, 1, 1), (1, 5, BUY, 30, 78, 2, 1), (1, 5, RETURN, 20, 0, 0, 5)) == [0, 1]
    assert left((1, 5, BUY, 10, 77, 1, 2), (1, 5, RETURN, 20, 99, 0, 1)) == [1]
    assert left((1, 5, RETURN, 20, 99, 0, 1), (2, 5, BUY, 10, 77, 1, 2)) == [2]


def test_nothing_is_left_over_or_lost_at_random() -> None:
    for seed in range(30):
        chance = random.Random(seed)
        rows = [
            (
                chance.randint(1, 2),
                chance.randint(1, 2),
                chance.choice((BUY, BUY, RETURN)),
                place,
                chance.randint(0, 2),
                1,
                float(chance.randint(1, 3)),
            )
            for place in range(8)
        ]
        found = left(*rows)
        bought = [row[6] for row in rows if row[2] == BUY]
        assert all(0 <= one <= whole for one, whole in zip(found, bought, strict=True))
        assert sum(found) >= sum(bought) - sum(row[6] for row in rows if row[2] == RETURN)


async def tell(http: httpx.AsyncClient, name: str, message_id: str, user: str = "ann", **properties: Any) -> None:
    body = {"event": name, "userId": user, "messageId": message_id, "properties": properties}
    answer = await http.post("/v1/track", json=body)
    assert answer.json()["accepted"] == 1, answer.text


async def shown(http: httpx.AsyncClient, user: str = "ann") -> tuple[int, float, list[str], list[float]]:
    """Return number and value of orders, the bought items, and the amounts of the history."""
    person = (await http.get(f"/v1/admin/people/{user}")).json()
    bought = [one["item_group_id"] for one in person["bought"]]
    return (
        person["orders"]["count"],
        person["orders"]["value"],
        bought,
        [one["amount"] for one in person["history"] if one["kind"] == "purchase"],
    )


@pytest.mark.usefixtures("catalogue")
async def test_a_person_has_bought_once_what_was_told_twice_and_nothing_that_came_back(http: httpx.AsyncClient) -> None:
    lines = [{"product_id": "a", "quantity": 1, "price": 50}, {"product_id": "b", "quantity": 2, "price": 5}]
    for telling in ("web", "server"):
        await tell(http, "Order Completed", telling, order_id="TW-1", products=lines)
    assert await shown(http) == (1, 60.0, ["b", "a"], [2.0, 1.0]) or await shown(http) == (1, 60.0, ["a", "b"], [1.0, 2.0])
    person = (await http.get("/v1/admin/people/ann")).json()
    assert person["counts"]["purchase"]["ever"] == 2
    await tell(http, "Order Refunded", "r", order_id="TW-1", products=[{"product_id": "b", "quantity": 1}])
    assert (await shown(http))[:2] == (1, 55.0)
    await tell(http, "Order Completed", "r2", order_id="TW-1", products=[{"product_id": "b", "quantity": -1, "price": 5}])
    assert await shown(http) == (1, 50.0, ["a"], [1.0])
    await tell(http, "Order Cancelled", "c", order_id="TW-1")
    assert await shown(http) == (0, 0.0, [], [])


@pytest.mark.usefixtures("catalogue")
async def test_money_of_another_currency_than_the_catalogues_is_told_and_not_added(http: httpx.AsyncClient) -> None:
    await tell(http, "Order Completed", "gbp", order_id="1", currency="gbp", products=[{"product_id": "a", "price": 100}])
    body = {"event": "Order Completed", "userId": "ann", "properties": {"order_id": "2", "currency": "JPY"}}
    body["properties"] |= {"products": [{"product_id": "b", "price": 7500}, {"product_id": "c", "price": 7500}]}  # type: ignore[operator]
    answer = (await http.post("/v1/track", json=body)).json()
    assert [one["warning"] for one in answer["warnings"]] == [
        "the price is in JPY and the item's in the catalogue in GBP: it was left out of sums"
    ]
    assert (await shown(http))[:2] == (2, 100.0)


@pytest.mark.usefixtures("catalogue")
async def test_a_purchase_of_a_negative_quantity_is_no_purchase(http: httpx.AsyncClient) -> None:
    await tell(http, "Order Completed", "m", order_id="RT1", products=[{"product_id": "a", "quantity": -3, "price": 10}])
    assert await shown(http) == (0, 0.0, [], [])


@pytest.mark.usefixtures("catalogue")
async def test_low_ratings_and_returns_lift_no_popular_list(http: httpx.AsyncClient, db: Database, settings: Settings) -> None:
    from app.ml.popularity.service import refresh_popular

    for place in range(3):
        await tell(http, "Product Reviewed", f"low{place}", f"l{place}", product_id="a", rating=1)
        await tell(
            http, "Order Completed", f"back{place}", f"r{place}", order_id=f"o{place}", products=[{"product_id": "c", "quantity": 1}]
        )
        await tell(http, "Order Refunded", f"refund{place}", f"r{place}", order_id=f"o{place}")
    await tell(http, "Product Reviewed", "high", "h", product_id="b", rating=5)
    await refresh_popular(db, 1)
    found = await db.rows("select groups, scores from popular_list where segment = ''")
    scores = dict(itertools.chain.from_iterable(zip(*row, strict=True) for row in found))
    numbers = {row[0]: row[1] for row in await db.rows("select item_id, group_no from item")}
    assert scores[numbers["b"]] > 0
    assert scores[numbers["a"]] == scores[numbers["c"]] == 0


@pytest.mark.usefixtures("catalogue")
async def test_training_sees_an_order_once_and_nothing_that_came_back(http: httpx.AsyncClient, db: Database) -> None:
    from datetime import UTC, datetime, timedelta

    from app.ml import dataset

    for telling in ("web", "server"):
        await tell(http, "Order Completed", telling, order_id="1", products=[{"product_id": "a", "quantity": 2}])
    await tell(http, "Order Completed", "x", order_id="2", products=[{"product_id": "b"}])
    await tell(http, "Order Cancelled", "y", order_id="2")
    await tell(http, "Product Reviewed", "z", product_id="c", rating=1)
    found = await dataset.read(db, 1, dataset.Window.days(datetime.now(UTC) + timedelta(minutes=1), 2), default_consent=True)
    numbers = {row[1]: row[0] for row in await db.rows("select item_id, group_no from item")}
    assert [(numbers[int(found.groups[row])], float(amount)) for row, amount in zip(found.row, found.amount, strict=True)] == [("a", 2.0)]
