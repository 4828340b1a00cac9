"""What a public key, which anybody can read in a page, can do to the shop and to others: nothing lasting."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.access import service as access_service
from app.access.domain import ClientKind, KeyKind, Scope
from app.access.runtime import Access
from app.access.schemas import NewClient, NewKey
from app.core.db import Database
from app.core.settings import Settings
from app.ml import dataset
from app.ml.dataset import Window
from app.ml.popularity.service import refresh_popular
from app.ml.training import supply

ORIGIN = "https://shop.example"


class Page:
    """A script in a browser: calls with a website key."""

    def __init__(self, http: httpx.AsyncClient, key: str) -> None:
        self._http = http
        self._headers = {"X-Api-Key": key, "Origin": ORIGIN}

    async def send(self, *messages: dict[str, Any]) -> httpx.Response:
        """Send a batch."""
        return await self._http.post("/v1/batch", json={"batch": list(messages)}, headers=self._headers)


@pytest.fixture
async def page(http: httpx.AsyncClient, db: Database, settings: Settings, access: Access, tenant: int) -> Page:
    """A page of the shop, with a limit of 500 a day."""
    wanted = NewClient(name="page", kind=ClientKind.WEBSITE, scopes=[Scope.EVENTS], origins=[ORIGIN], rate_limit="500/day")
    client = await access_service.create_client(db, settings, tenant, wanted)
    key = await access_service.create_key(db, tenant, client.client_id, NewKey(kind=KeyKind.WEBSITE, origins=[ORIGIN]))
    await access.refresh()
    return Page(http, key.key)


def done(name: str, item: str, number: int, **more: Any) -> dict[str, Any]:
    message = {"type": "track", "event": name, "messageId": f"{name}{number}", "properties": {"products": [{"product_id": item}]}}
    return {**message, "anonymousId": f"anon{number}", **more}


async def shop_sends(http: httpx.AsyncClient, *messages: dict[str, Any]) -> dict[str, Any]:
    answer = await http.post("/v1/batch", json={"batch": list(messages)})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def first(db: Database, segment: str = "") -> list[int]:
    rows = await db.rows("select groups from popular_list where segment = :s", s=segment)
    return list(rows[0].groups) if rows else []


async def test_made_up_people_of_a_public_key_do_not_move_a_popular_list(
    http: httpx.AsyncClient, page: Page, db: Database, tenant: int, catalogue: dict[str, int]
) -> None:
    await shop_sends(http, done("Product Viewed", "a", 1, userId="ann"))
    for name in ("Order Completed", "Product Added", "Product Viewed"):
        assert (await page.send(*(done(name, "b", number) for number in range(100)))).json()["accepted"] == 100
    await refresh_popular(db, tenant)
    assert (await first(db))[0] == catalogue["a"]


async def test_where_the_shop_tells_nothing_its_pages_order_the_popular_list_but_their_orders_do_not(
    page: Page, db: Database, tenant: int, catalogue: dict[str, int]
) -> None:
    await page.send(done("Product Viewed", "a", 1), *(done("Order Completed", "b", number) for number in range(9)))
    await refresh_popular(db, tenant)
    assert (await first(db))[0] == catalogue["a"]
    assert await db.rows("select max(s) from popular_list, unnest(scores) s") == [(0.0,)]


async def test_one_event_of_a_public_key_does_not_make_old_data_too_old_for_a_popular_list(
    http: httpx.AsyncClient, page: Page, db: Database, tenant: int, catalogue: dict[str, int]
) -> None:
    old = (datetime.now(UTC) - timedelta(days=900)).isoformat()
    await shop_sends(http, done("Order Completed", "a", 1, userId="ann", timestamp=old))
    await page.send(done("Product Viewed", "b", 2))
    await refresh_popular(db, tenant)
    assert (await first(db))[0] == catalogue["a"]


async def test_orders_of_a_public_key_teach_no_model_and_are_told(
    http: httpx.AsyncClient, page: Page, db: Database, tenant: int, catalogue: dict[str, int]
) -> None:
    await shop_sends(http, done("Order Completed", "a", 1, userId="ann"))
    await page.send(done("Order Completed", "b", 2), done("Product Viewed", "c", 3))
    now = datetime.now(UTC) + timedelta(seconds=1)
    data = await dataset.read(db, tenant, Window(now - timedelta(days=1), now), default_consent=True)
    assert sorted(int(data.groups[row]) for row in data.row) == sorted(catalogue[name] for name in "ac")
    found = await supply.look(db, tenant, now=now, until=now, days=None, most=1000)
    assert (found.untrusted, found.before) == (1, 2)
    assert "1 are orders that came by a public key" in found.sentence(2)


async def test_a_public_key_cannot_take_the_message_id_of_the_shops_own_order(
    http: httpx.AsyncClient, page: Page, db: Database, catalogue: dict[str, int]
) -> None:
    stolen = done("Order Completed", "b", 1, messageId="order-17")
    assert (await page.send(stolen)).json()["accepted"] == 1
    again = (await page.send(stolen)).json()
    assert (again["accepted"], again["duplicates"]) == (0, 1)
    own = done("Order Completed", "a", 2, messageId="order-17", userId="ann")
    assert (await shop_sends(http, own))["accepted"] == 1
    assert (await shop_sends(http, own))["duplicates"] == 1
    rows = await db.rows("select group_no, public from event order by event_no")
    assert [tuple(row) for row in rows] == [(catalogue["b"], True), (catalogue["a"], False)]


async def test_a_public_key_cannot_stand_for_what_was_refused_of_the_shop(http: httpx.AsyncClient, page: Page) -> None:
    wrong = done("Order Completed", "a", 1, userId="ann", timestamp="yesterday")
    await page.send(wrong)
    await page.send(wrong)
    await shop_sends(http, wrong)
    kept = (await http.get("/v1/admin/refused-events")).json()["refused"]
    assert sorted(one["client"] for one in kept) == ["a shop", "page"]


async def test_the_limit_of_a_public_key_counts_events_and_not_calls(http: httpx.AsyncClient, page: Page, db: Database) -> None:
    answers = [await page.send(*(done("Product Viewed", "a", 200 * turn + n) for n in range(200))) for turn in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert await db.rows("select count(*) from event") == [(400,)]
    # a trusted sender's batch stays one call
    assert (await shop_sends(http, *(done("Product Viewed", "a", 9000 + n) for n in range(700))))["accepted"] == 700


async def test_a_batch_that_never_fits_the_limit_of_a_public_key_says_how_many_do(page: Page, db: Database) -> None:
    answer = await page.send(*(done("Product Viewed", "a", n) for n in range(501)))
    assert answer.json()["code"] == "too_large"
    assert "500 events" in answer.json()["detail"]
    assert await db.rows("select count(*) from event") == [(0,)]
