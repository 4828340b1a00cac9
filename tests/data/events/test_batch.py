"""`POST /v1/batch`: what lands, what is a double, what is refused and why."""

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from cryptography.exceptions import InvalidTag

from app.core.db import Database
from app.data.events import store
from app.data.events.domain import message_key
from app.data.events.formats.segment_api import Arrival, Refused, arrival, read
from app.data.events.intake import Intake
from app.data.identity.traits import traits_of
from app.data.identity.vault import DataKeys
from app.data.kinds import Kind
from tests.data.conftest import Put, event

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOW = Arrival(NOW)


def track(name: str = "Product Viewed", **more: Any) -> dict[str, Any]:
    message = {"type": "track", "event": name, "userId": "ann", "messageId": f"m{id(more)}", "properties": {"product_id": "a"}}
    return message | more


async def send(http: httpx.AsyncClient, *messages: Any, **more: Any) -> dict[str, Any]:
    answer = await http.post("/v1/batch", json={"batch": list(messages), **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Product Viewed", Kind.VIEW),
        ("Viewed Product", Kind.VIEW),
        ("product_viewed", Kind.VIEW),
        ("Product Clicked", Kind.CLICK),
        ("Product Added", Kind.CART),
        ("Added Product", Kind.CART),
        ("Product Added to Wishlist", Kind.WISHLIST),
        ("Product Reviewed", Kind.RATING),
        ("Order Completed", Kind.PURCHASE),
        ("Completed Order", Kind.PURCHASE),
        ("Product List Viewed", Kind.IMPRESSION),
        ("Product Removed", Kind.CART_REMOVE),
        ("remove_from_cart", Kind.CART_REMOVE),
        ("Cart Cleared", Kind.CART_CLEAR),
        ("empty-cart", Kind.CART_CLEAR),
        ("Something Else", Kind.NONE),
        ("Order Refunded", Kind.RETURN),
        ("ProductViewed", Kind.VIEW),
        ("orderCompleted", Kind.PURCHASE),
        ("AddToCart", Kind.CART),
        ("ViewContent", Kind.VIEW),
        ("注文完了", Kind.NONE),
    ],
)
def test_commerce_names_become_kinds(name: str, kind: Kind) -> None:
    assert read(track(name), HOW)[0].kind is kind


def test_each_product_of_an_order_is_a_row_of_one_message() -> None:
    products = [{"product_id": "a", "quantity": 2, "price": "1.50"}, {"sku": "b"}, {"id": 7, "price": 3}, None]
    rows = read(track("Order Completed", properties={"order_id": 12, "products": products}), HOW)
    assert [(row.item_id, row.quantity, row.value) for row in rows] == [("a", 2.0, 1.5), ("b", None, None), ("7", None, 3.0)]
    assert {row.order_id for row in rows} == {"12"}
    assert len({row.message_id for row in rows}) == 1
    assert [row.payload is not None for row in rows] == [True, False, False]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (track("Product Viewed"), False),  # from the shop's own servers
        (track("Product Viewed", anonymousId="d"), True),
        (track("Product Viewed", context={"page": {"path": "/"}}), True),
        (track("Product Viewed", context={"screen": {"width": 1}}), True),
        (track("Product Viewed", context="page"), False),
        (track("Email Opened", anonymousId="d"), False),
        (track("email_link_clicked", anonymousId="d"), False),
        (track("Emails Preferred", anonymousId="d"), True),
        ({"type": "page", "userId": "a"}, True),
        ({"type": "screen", "userId": "a"}, True),
        ({"type": "identify", "userId": "a", "anonymousId": "d"}, False),
    ],
)
def test_events_of_pages_and_apps_make_visits(message: dict[str, Any], expected: bool) -> None:
    (found,) = read(message, HOW)
    assert found.on_site is expected
    assert (found.kind is Kind.PAGE) == (message["type"] in ("page", "screen"))


async def test_what_makes_visits_and_carts_is_stored(http: httpx.AsyncClient, db: Database, catalogue: dict[str, int]) -> None:
    products = [{"product_id": "a"}, {"product_id": "b", "quantity": 2}]
    told = track("Product Removed", anonymousId="d", properties={"products": products})
    await send(http, told, track("Product Added", properties={"product_id": "a"}))
    rows = await db.rows("select i.item_id, e.kind, e.quantity, e.on_site from event e join item i using (item_no) order by event_no")
    assert [tuple(row) for row in rows] == [("a", -2, None, True), ("b", -2, 2.0, True), ("a", 5, 1.0, False)]


def test_a_review_carries_its_rating() -> None:
    assert read(track("Product Reviewed", properties={"product_id": "a", "rating": "4.5"}), HOW)[0].quantity == 4.5


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (None, "not an object"),
        ([], "not an object"),
        ({"type": "track"}, "event is missing"),
        ({"type": "dance", "userId": "a"}, "type"),
        ({"type": ["track"], "userId": "a"}, "type"),
        ({"userId": "a"}, "type"),
        (track(userId=None), "userId or anonymousId is missing"),
        (track(userId=["ann"]), "userId is not a text"),
        (track(userId="x" * 257), "longer"),
        (track(userId="a\0b"), "NUL"),
        (track(userId="   "), "empty"),
        (track(timestamp="yesterday"), "timestamp"),
        (track(timestamp=True), "timestamp"),
        (track(timestamp="1969-12-31"), "timestamp"),
        (track(timestamp=1e300), "timestamp"),
        (track(properties=["a"]), "properties is not an object"),
        (track(properties={"text": "x" * 33_000}), "larger"),
        (track("x" * 300), "longer"),
    ],
)
def test_a_message_that_is_no_event_is_refused_with_a_reason(message: Any, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        read(message, HOW)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-05-01T10:00:00Z", datetime(2026, 5, 1, 10, tzinfo=UTC)),
        ("2026-05-01T10:00:00", datetime(2026, 5, 1, 10, tzinfo=UTC)),
        ("2026-05-01T10:00:00+02:00", datetime(2026, 5, 1, 8, tzinfo=UTC)),
        (1777629600, datetime(2026, 5, 1, 10, tzinfo=UTC)),
        (1777629600000, datetime(2026, 5, 1, 10, tzinfo=UTC)),
        ("2030-01-01T00:00:00Z", NOW),
        (None, NOW),
    ],
)
def test_moments_are_read_in_every_usual_spelling_and_the_future_is_now(given: Any, expected: datetime) -> None:
    assert read(track(timestamp=given), HOW)[0].occurred_at == expected


def test_the_senders_wrong_clock_is_corrected() -> None:
    how = arrival({"sentAt": "2026-05-01T13:00:00Z"}, NOW)
    assert read(track(timestamp="2026-05-01T12:30:00Z"), how)[0].occurred_at == NOW - timedelta(minutes=30)
    assert arrival({"sentAt": "2026-05-01T11:59:58Z"}, NOW).skew == timedelta()
    assert arrival({"sentAt": "no date"}, NOW).skew == timedelta()


def test_a_public_sender_names_only_anonymous_people() -> None:
    how = Arrival(NOW, anonymous_only=True)
    assert read(track(anonymousId="c"), how)[0].identities == ((2, "c"),)
    with pytest.raises(Refused, match="anonymousId"):
        read(track(), how)


async def test_events_land_once_and_the_answer_counts(http: httpx.AsyncClient, db: Database, catalogue: dict[str, int]) -> None:
    one, two = track(messageId="1"), track(messageId="2", properties={"product_id": "unheard-of"})
    first = await send(http, one, two, one, {"type": "track"})
    assert first == {
        "success": True,
        "accepted": 2,
        "duplicates": 1,
        "refused": [{"index": 3, "reason": "event is missing"}],
        "unknown_items": ["unheard-of"],
        "warnings": [],
    }
    again = await send(http, two, track(messageId="3"))
    assert (again["accepted"], again["duplicates"]) == (1, 1)
    rows = await db.rows("select kind, group_no, quantity from event order by event_no")
    assert [tuple(row) for row in rows] == [(3, catalogue["a"], 1.0), (3, None, 1.0), (3, catalogue["a"], 1.0)]


async def test_payloads_are_readable_only_with_the_persons_key(http: httpx.AsyncClient, db: Database, keys: DataKeys) -> None:
    message = track(messageId="1", properties={"product_id": "a", "note": "a secret wish"})
    await send(http, message)
    payload, person, sealed = (await db.rows("select e.payload, e.person_no, p.data_key from event e join person p using (person_no)"))[0]
    assert b"secret wish" not in payload
    assert b"ann" not in payload
    assert orjson.loads(keys.cipher(person, sealed).unseal(payload)) == message
    with pytest.raises(InvalidTag):
        keys.cipher(person + 1, sealed)


async def test_identify_keeps_traits_and_country(http: httpx.AsyncClient, db: Database) -> None:
    await send(http, {"type": "identify", "userId": "ann", "traits": {"plan": "gold", "address": {"country": "FR"}}})
    await send(http, {"type": "identify", "userId": "ann", "traits": {"age": 30}})
    told, country = (await db.rows("select traits::text, country from person"))[0]
    assert {name: one.value for name, one in traits_of([told]).items()} == {"plan": "gold", "address.country": "FR", "age": 30}
    assert country == "FR"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_request"),
        (b"{", "bad_request"),
        (b"[]", "bad_request"),
        (b'{"batch": {}}', "bad_request"),
        (b'{"batch": [NaN]}', "bad_request"),
        (b'{"batch": [{"userId": "\xff"}]}', "bad_request"),
        (b'{"batch": ' + b"[" * 5000 + b"]" * 5000 + b"}", "bad_request"),
        (b'{"batch": [' + b",".join([b"1"] * 3000) + b"]}", "too_large"),
        (b'{"batch": [], "x": "' + b"x" * 600_000 + b'"}', "too_large"),
    ],
)
async def test_a_body_that_is_no_batch_or_too_large_is_400(http: httpx.AsyncClient, body: bytes, code: str) -> None:
    answer = await http.post("/v1/batch", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["code"] == code


async def test_deep_json_is_refused_and_the_rest_lands(http: httpx.AsyncClient) -> None:
    deep: Any = 1
    for _ in range(400):
        deep = [deep]
    found = await send(http, track(properties={"deep": deep}), track(messageId="ok"))
    assert found["accepted"] == 1
    assert "deeply" in found["refused"][0]["reason"]


async def test_a_full_batch_of_2500_lands(http: httpx.AsyncClient, db: Database) -> None:
    messages = [{"type": "track", "event": "x", "userId": f"u{i}", "messageId": f"m{i}"} for i in range(2500)]
    assert (await send(http, *messages))["accepted"] == 2500
    assert (await db.rows("select count(*) from person"))[0][0] == 2500


async def test_a_packed_body_is_unpacked_and_a_bomb_refused(http: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await http.post("/v1/batch", content=gzip.compress(orjson.dumps({"batch": [track()]})), headers=headers)
    assert answer.json()["accepted"] == 1
    bomb = await http.post("/v1/batch", content=gzip.compress(b'{"batch": [' + b" " * 50_000_000), headers=headers)
    assert bomb.status_code == 400
    broken = await http.post("/v1/batch", content=b"\x1f\x8bnothing", headers=headers)
    assert broken.status_code == 400


async def test_doubles_are_known_through_one_rotation_and_forgotten_after_two(put: Put, db: Database) -> None:
    assert len((await put(event(1))).landed) == 1
    assert not await store.rotate_seen(db)
    assert await store.rotate_seen(db, older_than_s=0)
    assert len((await put(event(1))).duplicates) == 1
    assert await store.rotate_seen(db, older_than_s=0)
    assert len((await put(event(1))).landed) == 1


async def test_the_same_message_sent_twice_at_once_lands_once(http: httpx.AsyncClient, db: Database) -> None:
    import asyncio

    answers = await asyncio.gather(*(send(http, track(messageId="one"), track(messageId=f"own{i}", userId=f"u{i}")) for i in range(8)))
    assert sum(answer["accepted"] for answer in answers) == 9
    assert sum(answer["duplicates"] for answer in answers) == 7
    assert (await db.rows("select count(*) from person"))[0][0] == 9


async def test_a_second_user_on_a_shared_device_does_not_inherit_the_first(put: Put, db: Database) -> None:
    await put(event(1, identities=((2, "cookie"),)))
    await put(event(2, identities=((1, "ann"), (2, "cookie"))))
    await put(event(3, identities=((1, "bob"), (2, "cookie"))))
    people = dict(await db.rows("select value, root_no from person_identity join person using (tenant, person_no)"))  # type: ignore[arg-type]
    assert people["ann"] == people["cookie"] != people["bob"]


async def test_ids_linked_within_one_batch_are_one_person_under_the_user(put: Put, db: Database) -> None:
    await put(event(1, identities=((2, "cookie"),)), event(2, identities=((1, "ann"), (2, "cookie"))))
    rows = await db.rows("select value, root_no = person_no from person_identity join person using (tenant, person_no) order by 1")
    assert [tuple(row) for row in rows] == [("ann", True), ("cookie", False)]


def test_a_message_without_id_is_a_double_only_of_itself() -> None:
    plain = {"type": "track", "event": "x", "userId": "ann", "timestamp": "2026-01-01T00:00:00Z"}
    assert read(plain, HOW)[0].message_id == read(dict(plain), HOW)[0].message_id
    assert read(plain, HOW)[0].message_id != read(plain | {"event": "y"}, HOW)[0].message_id
    del plain["timestamp"]
    assert read(plain, HOW)[0].message_id != read(plain, HOW)[0].message_id
    assert read(plain | {"messageId": "a"}, HOW)[0].message_id == message_key("a")


async def test_identifies_of_the_same_people_at_once_do_not_lock_up(http: httpx.AsyncClient, db: Database) -> None:
    import asyncio

    codes = ["AT", "BE", "CH", "DE", "ES", "FR", "GB", "IT"]

    async def identify(turn: int) -> dict[str, Any]:
        users = range(80) if turn % 2 else range(79, -1, -1)
        return await send(
            http, *({"type": "identify", "userId": f"u{i}", "traits": {f"t{turn}": i, "country": codes[turn]}} for i in users)
        )

    answers = await asyncio.gather(*(identify(turn) for turn in range(8)))
    assert [answer["accepted"] for answer in answers] == [80] * 8
    assert all(len(row[0]) == 9 for row in await db.rows("select traits from person"))


async def test_without_a_database_the_sender_is_told_to_come_back(http: httpx.AsyncClient, tmp_path: Path) -> None:
    transport = http._transport
    assert isinstance(transport, httpx.ASGITransport)
    state = transport.app.state  # type: ignore[attr-defined]
    state.db = Database(f"postgresql://nobody@/none?host={tmp_path}")
    state.intake = Intake(state.db, DataKeys(state.settings), most_bytes=1_000_000)
    for answer in (
        await http.post("/v1/batch", json={"batch": [track()]}),
        await http.put("/v1/items/a", json={}),
        await http.get("/v1/items/a"),
        await http.put("/v1/admin/people/ann/consent", json={"personalisation": True}),
    ):
        assert answer.status_code == 503
        assert answer.json()["code"] == "unavailable"
        assert answer.headers["retry-after"] == "5"
