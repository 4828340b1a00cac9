"""What senders write instead of what the specification says: read where it can be, left out and told where not."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest

from app.core import digits
from app.core.db import Database
from app.core.telemetry import EVENT_FLAWS
from app.data.events.domain import Event
from app.data.events.formats.amounts import NoAmount
from app.data.events.formats.amounts import read as amount
from app.data.events.formats.segment_api import Arrival, Refused, arrival, read
from app.data.kinds import Kind

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
HOW = Arrival(NOW)
I00 = {"product_id": "i00", "quantity": 1}


def told(name: str = "Order Completed", how: Arrival = HOW, /, **more: Any) -> list[Event]:
    return read({"type": "track", "event": name, "userId": "ann", "messageId": "m", **more}, how)


def ids(**properties: Any) -> list[str | None]:
    return [event.item_id for event in told(properties=properties)]


@pytest.mark.parametrize(
    "properties",
    [
        {"products": [I00]},
        {"products": I00},
        {"products": orjson.dumps([I00]).decode()},
        {"products": orjson.dumps(I00).decode()},
        {"products": [orjson.dumps(I00).decode()]},
        {"products": ["i00"]},
        {"products": '["i00"]'},
        {"products": "i00"},
        {"products": {"0": I00}},
        {"products": {"1": I00}},
        {"products": {"i00": {"quantity": 1}}},
        {"products": [[I00]]},
        {"products": [], "items": [{"item_id": "i00"}]},
        {"products": None, "items": [{"item_id": "i00"}]},
        {"products": {}, "items": [{"item_id": "i00"}]},
        {"products": "", "items": [{"item_id": "i00"}]},
        {"ecommerce": {"items": [{"item_id": "i00"}]}},
        {"products": [], "ecommerce": {"items": [{"item_id": "i00"}]}},
        {"ecommerce": {"items": '[{"item_id": "i00"}]'}},
        {"contents": [{"id": "i00", "quantity": 1, "item_price": 5}]},
        {"content_ids": ["i00"]},
        {"line_items": [{"sku": "i00"}]},
        {"product": {"id": "i00"}},
        {"product_id": ["i00"]},
        {"product_id": " i00 "},
        {"product_id": "i00", "items": 3},
        {"product_id": "i00", "items": {"count": 3}},
        {"product_id": "i00", "product": "A cup"},
        {"productId": "i00"},
        {"itemId": "i00"},
    ],
)
def test_products_are_read_in_every_shape(properties: dict[str, Any]) -> None:
    assert ids(**properties) == ["i00"]
    assert told(properties=properties)[0].flaws == ()


def test_several_products_are_read_in_every_shape() -> None:
    assert ids(products=["i00", 7, 8.0]) == ["i00", "7", "8"]
    assert ids(products={"0": {"sku": "a"}, "1": {"sku": "b"}}) == ["a", "b"]
    assert ids(products={"a": {"quantity": 1}, "b": {"quantity": 2}}) == ["a", "b"]
    assert ids(products="a,b") == ["a", "b"]


def test_ids_that_became_floats_are_ids_again_and_others_are_told() -> None:
    assert ids(product_id=18499.0) == ["18499"]
    assert told(properties={"order_id": 1001.0, "product_id": "a"})[0].order_id == "1001"
    (event,) = told(properties={"product_id": 1.5})
    assert event.item_id is None
    assert [flaw.what for flaw in event.flaws] == ["id", "item"]


@pytest.mark.parametrize(
    ("name", "properties", "what"),
    [
        ("Order Completed", {"order_id": "1"}, "item"),
        ("Product Viewed", {}, "item"),
        ("Product Viewed", {"product_id": {"a": 1}}, "item"),
        ("Order Completed", {"products": [I00, {"name": "?"}]}, "item"),
        ("Order Completed", {"products": [I00, None]}, "products"),
        ("Order Completed", {"products": "[{"}, "products"),
        ("Product Viewed", {"product_id": "a\0"}, "id"),
        ("Product Viewed", {"product_id": "a", "price": "cheap"}, "amount"),
        ("Product Viewed", {"product_id": "a", "price": {}}, "amount"),
        ("Product Viewed", {"product_id": "a", "price": "1,299"}, "amount"),
        ("Product Viewed", {"product_id": "a", "quantity": 1e30}, "amount"),
        ("Product Glanced At", {"product_id": "a"}, "kind"),
        ("Order Complete", {}, "kind"),
        ("Order Refunded", {}, "item"),
    ],
)
def test_what_is_left_out_is_told(name: str, properties: dict[str, Any], what: str) -> None:
    assert what in {flaw.what for flaw in told(name, properties=properties)[0].flaws}


def test_the_name_that_was_meant_is_told() -> None:
    assert 'perhaps "order completed"' in told("Complete Order", properties={})[0].flaws[0].text
    assert told("Signed In", properties={})[0].flaws == ()
    assert told("Email Opened", properties={"product_id": "a"})[0].flaws == ()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", None), (None, None), ("  ", None), (5, 5.0), ("$19.99", 19.99), ("19,99", 19.99), ("1,299.00", 1299.0), ("1.299,00", 1299.0),
        ("1 299,00 €", 1299.0), ("CHF 1'299.00", 1299.0), ("29,99 zł", 29.99), ("129,- EUR", 129.0), ("R$ 129,90", 129.9), (".99", 0.99),
        ("1.250.000 VND", 1_250_000.0), ("₹1,29,900.00", 129_900.0), ("-3", -3.0), ("(5.00)", -5.0), ("1.299", 1.299), ("0,500", 0.5),
    ],
)  # fmt: skip
def test_money_is_read_as_shops_write_it(given: Any, expected: float | None) -> None:
    assert amount(given) == expected


@pytest.mark.parametrize("given", ["1,299", "abc", "1_000", "nan", "inf", "1e400", 1e30, {}, True, "12.5.2020", "1" * 5000, 10**400])
def test_what_is_no_amount_or_may_be_two_is_not_guessed(given: Any) -> None:
    with pytest.raises(NoAmount):
        amount(given)


def test_a_known_decimal_sign_settles_what_may_be_two() -> None:
    assert amount("1,299", ",") == 1.299
    assert amount("1,299", ".") == 1299.0
    assert amount("2.550,5", ",") == 2550.5
    with pytest.raises(NoAmount):
        amount("2.55", ",")


def test_one_odd_price_among_three_loses_no_order() -> None:
    events = told(
        properties={"products": [{"product_id": "a", "price": 10}, {"product_id": "b", "price": ""}, {"product_id": "c", "price": 12}]}
    )
    assert [(event.item_id, event.value) for event in events] == [("a", 10.0), ("b", None), ("c", 12.0)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-11-20 10:00:00 UTC", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20 10:00:00.123456 UTC", datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2026-11-29 10:02:47 +0100", datetime(2026, 11, 29, 9, 2, 47, tzinfo=UTC)),
        (1764410567123456, datetime(2025, 11, 29, 10, 2, 47, 123456, tzinfo=UTC)),
        ("1764410567123456", datetime(2025, 11, 29, 10, 2, 47, 123456, tzinfo=UTC)),
        (1764410567123456789, datetime(2025, 11, 29, 10, 2, 47, 123456, tzinfo=UTC)),
    ],
)
def test_moments_of_bigquery_ruby_and_ga4_are_read(given: Any, expected: datetime) -> None:
    assert abs(told(timestamp=given)[0].occurred_at - expected) < timedelta(microseconds=2)


def test_the_original_timestamp_counts_where_there_is_no_other() -> None:
    message = {"originalTimestamp": "2026-11-20T10:00:00.000Z", "sentAt": "2026-11-20T10:00:01.000Z"}
    then = datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert told("Product Viewed", HOW, **message)[0].occurred_at == then
    # alone, the message is the body: its sentAt is of the first hop and tells nothing of a clock
    assert told("Product Viewed", arrival(message, NOW), **message)[0].occurred_at == then
    wrong_clock = Arrival(NOW, timedelta(hours=-1))
    assert told("Product Viewed", wrong_clock, originalTimestamp="2026-11-20T11:00:00Z")[0].occurred_at == then
    with pytest.raises(Refused, match="timestamp is not a date"):
        told(originalTimestamp="soon")


def test_a_moment_under_another_name_is_told() -> None:
    assert [flaw.what for flaw in told("Signed In", event_time="2026-01-01")[0].flaws] == ["time"]


@pytest.mark.parametrize(
    "message", [{"type": "page", "properties": []}, {"type": "identify", "traits": []}, {"type": "page", "context": []}]
)
def test_an_empty_list_is_the_empty_object_of_php(message: dict[str, Any]) -> None:
    assert read({"userId": "php", **message}, HOW)[0].flaws == ()


@pytest.mark.parametrize(("field", "given"), [("userId", "undefined"), ("anonymousId", "{{ device }}"), ("userId", " null ")])
def test_an_id_that_names_nobody_is_left_out_and_told(field: str, given: str) -> None:
    other = {"userId": "ann", "anonymousId": "dev"} | {field: given}
    (event,) = read({"type": "identify", **other}, HOW)
    assert len(event.identities) == 1
    assert [flaw.what for flaw in event.flaws] == ["nobody"]
    with pytest.raises(Refused, match="names nobody"):
        read({"type": "identify", field: given}, HOW)


def test_an_alias_of_nobody_links_nobody() -> None:
    (event,) = read({"type": "alias", "userId": "ann", "previousId": "undefined"}, HOW)
    assert event.former == ()
    assert [flaw.what for flaw in event.flaws] == ["nobody"]


def test_ids_are_trimmed() -> None:
    assert read({"type": "identify", "userId": " padded ", "anonymousId": "\tdev\n"}, HOW)[0].identities == ((1, "padded"), (2, "dev"))


def test_whole_numbers_beyond_64_bits_keep_their_digits() -> None:
    found = digits.loads(
        b'{"a": 98765432109876543210, "b": [-98765432109876543210, 1.5], "c": 9223372036854775807, "d": "98765432109876543210"}'
    )
    assert found == {"a": "98765432109876543210", "b": ["-98765432109876543210", 1.5], "c": 2**63 - 1, "d": "98765432109876543210"}
    with pytest.raises(orjson.JSONDecodeError):
        digits.loads(b"9" * 100_000)


@pytest.mark.parametrize(
    ("rating", "more", "kind"),
    [
        (1, {}, Kind.LOW_RATING), (2, {}, Kind.LOW_RATING), (0, {}, Kind.LOW_RATING), (3, {}, Kind.RATING), (5, {}, Kind.RATING),
        ("1/5", {}, Kind.LOW_RATING), ("4,5", {}, Kind.RATING), (4, {"max_rating": 10}, Kind.LOW_RATING), (8, {}, Kind.RATING),
        ("9/10", {}, Kind.RATING), (None, {}, Kind.RATING),
    ],
)  # fmt: skip
def test_a_rating_below_the_middle_of_its_scale_lifts_nothing(rating: Any, more: dict[str, Any], kind: Kind) -> None:
    assert told("Product Reviewed", properties={"product_id": "a", "rating": rating, **more})[0].kind is kind


def test_a_negative_quantity_is_a_return() -> None:
    found = told(properties={"order_id": "1", "products": [{"product_id": "a", "quantity": -3}, {"product_id": "b", "quantity": 1}]})
    assert [(event.kind, event.quantity) for event in found] == [(Kind.RETURN, 3.0), (Kind.PURCHASE, 1.0)]


@pytest.mark.parametrize(
    ("name", "properties", "expected"),
    [
        ("Order Refunded", {"order_id": "1"}, [(Kind.ORDER_CANCEL, None, None)]),
        ("Order Refunded", {"order_id": "1", "products": [{"product_id": "a", "quantity": 2}]}, [(Kind.RETURN, "a", 2.0)]),
        ("refund", {"transaction_id": "1", "items": [{"item_id": "a"}]}, [(Kind.RETURN, "a", 1.0)]),
        ("Order Cancelled", {"order_id": "1", "products": [{"product_id": "a"}]}, [(Kind.ORDER_CANCEL, None, None)]),
        ("Order Canceled", {"products": [{"product_id": "a"}]}, [(Kind.RETURN, "a", 1.0)]),
    ],
)
def test_refunds_and_cancellations_take_back(name: str, properties: dict[str, Any], expected: list[Any]) -> None:
    assert [(event.kind, event.item_id, event.quantity) for event in told(name, properties=properties)] == expected


@pytest.fixture
async def shop(http: httpx.AsyncClient) -> httpx.AsyncClient:
    """A shop with i00 by itself, and i03 of the group g03."""
    for item in ({"id": "i00", "title": "A"}, {"id": "i03", "title": "B", "item_group_id": "g03"}):
        assert (
            await http.put(f"/v1/items/{item['id']}", json={"price": "1 GBP", "link": "https://shop.example/", **item})
        ).status_code == 200
    return http


@pytest.mark.parametrize(
    ("properties", "item"),
    [
        ({"product_id": "g03"}, None),
        ({"product_id": "g03", "sku": "i03"}, "i03"),
        ({"product_id": "5f1f77bcf86cd799439011", "sku": "i03"}, "i03"),
        ({"product_id": "parent-3", "variant": "i03"}, "i03"),
        ({"product_id": " i03 "}, "i03"),
    ],
)
async def test_a_group_or_a_sku_beside_an_unknown_product_is_found(
    shop: httpx.AsyncClient, db: Database, properties: dict[str, Any], item: str | None
) -> None:
    answer = (await shop.post("/v1/track", json={"event": "Product Viewed", "userId": "ann", "properties": properties})).json()
    assert (answer["accepted"], answer["unknown_items"], answer["warnings"]) == (1, [], [])
    rows = await db.rows("select g.group_id, i.item_id from event join item_group g using (group_no) left join item i using (item_no)")
    assert [tuple(row) for row in rows] == [("g03", item)]


async def test_warnings_name_their_message_and_are_counted(shop: httpx.AsyncClient) -> None:
    before = EVENT_FLAWS.labels("http", "item")._value.get()
    messages = [{"type": "track", "event": "Product Viewed", "userId": "ann", "properties": {"product_id": "i00"}}] + [
        {"type": "track", "event": "Product Viewed", "userId": "ann"} for _ in range(150)
    ]
    answer = (await shop.post("/v1/batch", json={"batch": messages})).json()
    assert answer["accepted"] == 151
    assert answer["warnings"][0] == {"index": 1, "warning": "no product_id in properties: it counts for no item"}
    assert len(answer["warnings"]) == 100
    assert answer["warnings"][-1]["warning"] == "51 more warnings are not listed"
    assert EVENT_FLAWS.labels("http", "item")._value.get() == before + 150


async def test_an_identify_of_nobody_joins_no_devices(shop: httpx.AsyncClient, db: Database) -> None:
    for place, user in enumerate(("undefined", "undefined", "null", "[object Object]", "%%subscriberkey%%")):
        answer = (
            await shop.post("/v1/identify", json={"userId": user, "anonymousId": f"dev-{place}", "traits": {"first_name": "Ada"}})
        ).json()
        assert "names nobody" in answer["warnings"][0]["warning"]
    rows = await db.rows("select distinct root_no from person join person_identity using (person_no)")
    assert len(rows) == 5
    assert (await shop.get("/v1/admin/people/undefined")).status_code == 404


async def test_the_id_of_an_event_that_is_larger_than_64_bits_keeps_its_digits(shop: httpx.AsyncClient) -> None:
    answer = await shop.post(
        "/v1/track", content=b'{"event": "x", "userId": 98765432109876543210}', headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 200
    assert (await shop.get("/v1/admin/people/98765432109876543210")).status_code == 200
