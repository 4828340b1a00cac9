"""What e-mail platforms force on an endpoint, by behaviour; what other test files prove is not repeated here."""

import asyncio
import hashlib
import json
import re
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from app.core import ids
from app.core.db import Database
from app.core.ids import DEFAULT_TENANT
from app.core.redis import connect
from app.core.settings import Settings
from app.data.catalogue.service import put_items
from app.data.events.domain import Event, message_key
from app.data.kinds import Kind
from app.decisions.placements import service as placements
from app.decisions.placements.domain import Filter, Fixed, Placement
from app.main import create_app
from tests.serving.shop import Shop, add_events, document

TAGS = ("%%", "{{", "}}", "{%", "*|", "|*", "[[", "${")
UGLY = "Größe 10 %% {{x}} {% y %} *|Z|* [[a]] ${b} <script>\"'&</script> 😀 שלום"


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """The OpenAPI document."""
    return create_app(Settings(secret="x" * 32, log_format="console")).openapi()  # type: ignore[arg-type]


async def put(shop: Shop, *documents: dict[str, Any]) -> None:
    outcome = await put_items(shop.db, shop.settings, DEFAULT_TENANT, list(documents))
    assert outcome.refused == []
    await shop.settled()


async def test_an_answer_comes_in_time_while_the_database_hangs_and_redis_is_empty(shop: Shop) -> None:
    """1: a store that answers nothing for seconds costs one time-out, not the deadline of the platform."""
    async with shop.db.begin() as connection:
        await connection.execute(text("lock table person, person_identity, person_state in access exclusive mode"))
        client = connect(shop.settings.redis_url, timeout_ms=1000)
        await client.delete(ids.marker_key(DEFAULT_TENANT))
        await client.aclose()
        began = time.monotonic()
        answers = [(await shop.get(placement="email-grid", user_id=f"u{n}")).json() for n in range(5)]
        took = time.monotonic() - began
    assert took < 5 * 0.5
    assert all(answer["item_count"] == 6 for answer in answers)
    assert {answer["fallback_reason"] for answer in answers if answer["fallback"]} <= {
        "database_down",
        "database_slow",
        "cache_down",
        "deadline",
    }
    assert any(answer["fallback"] for answer in answers)


async def test_no_route_redirects_whatever_stands_at_the_end(shop: Shop, described: dict[str, Any]) -> None:
    """5: platforms follow no redirect; only a click link makes one."""
    for path, methods in described["paths"].items():
        filled = re.sub(r"\{\w+\}", "x", path)
        for method in methods:
            for target in (filled, f"{filled}/"):
                answer = await shop.http.request(method.upper(), target, headers={"X-Forwarded-Proto": "http"})
                assert not 300 <= answer.status_code < 400, (method, target)


def test_every_good_answer_is_a_json_object(described: dict[str, Any]) -> None:
    """7: some platforms read no array at the top."""
    schemas = described["components"]["schemas"]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items():
                schema = answer.get("content", {}).get("application/json", {}).get("schema")
                if status.startswith("2") and schema:
                    named = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
                    assert named["type"] == "object", (method, path)


def test_an_item_is_flat_and_no_key_means_something_to_a_template_language(described: dict[str, Any]) -> None:
    """8, 9: `size`, `first` and `last` are properties in Liquid, and AMPscript knows no case."""
    schemas = described["components"]["schemas"]
    item, answer = schemas["Item"], schemas["Recommendations"]
    assert set(item["required"]) == set(item["properties"])
    assert {value.get("type") for value in item["properties"].values()} <= {"string", "integer", "number", "boolean"}
    for schema in (item, answer):
        names = [name.lower() for name in schema["properties"]]
        assert len(set(names)) == len(names)
        assert not {"size", "first", "last", "count", "length"} & set(names)
    assert {answer["properties"]["item_count"]["type"], answer["properties"]["has_items"]["type"]} == {"integer", "boolean"}


async def test_prices_come_ready_to_show_and_ids_are_text(shop: Shop) -> None:
    """10: template engines drop trailing zeros and turn long numbers into floats."""
    number = "12345678901234567890"
    await put(shop, {**document(0), "id": number, "price": "1,999.00 GBP", "category": "Odd"})
    (item,) = (await shop.get(placement="email-grid", category="Odd", limit=1)).json()["items"]
    assert (item["item_id"], item["price"], item["price_formatted"]) == (number, 1999, "£1,999.00")
    german = (await shop.get(placement="email-grid", category="Odd", limit=1, locale="de")).json()["items"][0]
    assert german["price_formatted"] == "1.999,00 £"


async def test_json_and_html_read_the_same_in_every_charset_and_hold_no_foreign_tag(shop: Shop) -> None:
    """11, 12, 13: older accounts read Windows-1252, and platforms run their own tags over what they fetch."""
    await put(shop, {**document(1), "title": UGLY, "brand": UGLY, "category": "Odd", "link": "https://shop.example/a b?q={{x}}&c=%%5B"})
    params = {"placement": "email-grid", "category": "Odd", "limit": 1, "user_id": UGLY}
    for how in ({}, {"escape": "html"}, {"format": "html"}):
        body = (await shop.get(**params, **how)).content
        assert body.isascii()
        assert body.decode("cp1252") == body.decode("utf-8")
        shown = body.decode() if how.get("format") == "html" else json.dumps(json.loads(body)["items"][0], ensure_ascii=False)
        assert not any(tag in shown for tag in TAGS), (how, shown)
    raw = (await shop.get(**params)).json()
    assert "Größe" in raw["items"][0]["title"]
    assert "<script>" in raw["items"][0]["title"], "raw unless asked otherwise"
    assert not any(tag in raw["user_id"] for tag in TAGS)
    escaped = (await shop.get(**params, escape="html")).json()["items"][0]
    assert "<" not in escaped["title"] + escaped["brand"]
    assert "&lt;script&gt;" in escaped["title"]
    words = (await shop.get(**params, format="text")).text
    assert not any(tag in words for tag in TAGS)


@pytest.mark.parametrize("content", ["true", "null", "12", '"Soon"', '{"a": 1}', "[]", " 1 "])
async def test_a_text_or_html_body_is_never_json(shop: Shop, content: str) -> None:
    """14: Braze would parse it instead of showing it."""
    nothing = Filter(categories=("No such category",))
    await placements.publish(shop.db, DEFAULT_TENANT, "bare", Placement(filter=nothing, fixed=Fixed(html=content, text=content)))
    await shop.settled()
    for how in ("html", "text"):
        body = (await shop.get(placement="bare", format=how)).text
        assert content in body
        with pytest.raises(json.JSONDecodeError):
            json.loads(body)


async def test_an_answer_stays_under_one_megabyte(shop: Shop) -> None:
    """15: larger ones are dropped; the largest texts that the catalogue takes, fifty times."""
    huge = {"title": "😀" * 2000, "brand": "😀" * 500, "image_link": "https://shop.example/" + "é" * 7900, "category": "Odd"}
    await put(shop, *({**document(1000 + n), **huge} for n in range(50)))
    for how in ("json", "html", "text"):
        answer = await shop.get(placement="email-grid", category="Odd", limit=50, format=how)
        assert answer.status_code == 200
        assert len(answer.content) < 1_000_000, how
    answer = (await shop.get(placement="email-grid", category="Odd", limit=50)).json()
    assert answer["item_count"] == len(answer["items"]) > 5
    assert any("1 MB" in warning for warning in answer["warnings"])


async def test_no_header_and_no_cookie_selects_a_person(shop: Shop) -> None:
    """16: platforms keep answers by address alone."""
    sent = dict.fromkeys(("X-User-Id", "User-Id", "X-Morsel-User", "X-Anonymous-Id", "From"), "u1")
    headers = {**sent, "Cookie": "user_id=u1; anonymous_id=u1", "Accept-Language": "de", "X-Api-Key": shop.key}
    answer = (await shop.http.get("/v1/recommendations", params={"placement": "email-grid"}, headers=headers)).json()
    assert (answer["user_id"], answer["fallback_reason"]) == ("", "no_user")
    assert answer["items"][0]["price_formatted"].startswith("£")


async def test_asking_again_changes_nothing(shop: Shop) -> None:
    """18: one recipient is asked for two to three times; a serve is not an impression."""
    before = await shop.db.rows("select count(*) from event")
    states = await shop.db.rows("select person_no, state from person_state order by person_no")
    for _ in range(5):
        await shop.get(placement="email-grid", user_id="u1", send_id="s1")
        await shop.get("/v1/snippets/email-grid", user_id="u1", send_id="s1")
    await asyncio.sleep(0.7)
    assert await shop.db.rows("select count(*) from event") == before
    assert await shop.db.rows("select person_no, state from person_state order by person_no") == states
    served = await shop.db.rows("select distinct recommendation_id from serve where send_id = 's1'")
    assert len(served) == 1


async def test_another_send_is_another_answer(shop: Shop) -> None:
    """17: the pin is by send, person and placement."""

    async def one(**params: str) -> str:
        answer = (await shop.get(placement=params.pop("placement", "email-grid"), **params)).json()
        return str(answer["recommendation_id"])

    told = [await one(user_id="u1", send_id="s1"), await one(user_id="u1", send_id="s2"), await one(user_id="u2", send_id="s1")]
    told += [await one(user_id="u1", campaign="s1"), await one(user_id="u1", send_id="s1", placement="email-hero"), await one(user_id="u1")]
    assert len(set(told)) == len(told)
    assert await one(user_id="u1", campaign="s1") == told[3]


def test_a_token_outlives_the_longest_cache_of_a_template() -> None:
    """20: four hours of `cache_max_age` and a quarter of an hour more."""
    lifetime = Settings.model_fields["token_lifetime_s"].default
    assert lifetime >= 14_400 + 900


async def test_a_person_can_be_named_by_the_hash_of_their_address(shop: Shop) -> None:
    """21: no address stands in a log."""
    digest = hashlib.sha256(b"ada@example.com").hexdigest()
    now = datetime.now(UTC)
    visits = [Event(now, message_key(f"h{n}"), ((3, digest),), Kind.VIEW, item_id=f"i{4 * n + 2}") for n in range(5)]
    await add_events(shop.db, shop.settings, visits)

    async def personal() -> dict[str, Any] | None:
        answer = (await shop.get(placement="email-grid", email_sha256=digest.upper())).json()
        return answer if not answer["fallback"] else None

    answer = await shop.until(personal)
    assert {item["category"] for item in answer["items"]} == {"Hats"}


async def test_a_personal_answer_may_be_kept_by_nobody_else(shop: Shop) -> None:
    """34."""
    for path in ("/v1/recommendations", "/v1/snippets/email-grid"):
        answer = await shop.get(path, placement="email-grid", user_id="u1")
        assert answer.headers["cache-control"] == "private, max-age=0"


async def test_pictures_and_links_are_absolute_and_encoded(shop: Shop) -> None:
    """26."""
    await put(
        shop,
        {**document(1), "category": "Odd", "link": "/relative", "image_link": "//cdn.example/a.png"},
        {**document(5), "category": "Odd", "link": "https://shop.example/ä b", "image_link": "https://cdn.example/ä b.png?x=1 2"},
    )
    answer = await shop.get(placement="email-grid", category="Odd")
    items = {item["item_id"]: item for item in answer.json()["items"]}
    assert (items["i1"]["url"], items["i1"]["image_url"]) == ("", "")
    assert items["i5"]["image_url"] == "https://cdn.example/%C3%A4%20b.png?x=1%202"
    assert re.fullmatch(r"http://[^/]+/c/[A-Za-z0-9_-]+/\d+", items["i5"]["url"])
    followed = await shop.http.get(urlsplit(items["i5"]["url"]).path)
    assert followed.headers["location"] == "https://shop.example/%C3%A4%20b"


async def test_a_refusal_is_a_problem_with_a_stable_code(shop: Shop, db: Database) -> None:
    """3: a wrong credential stays 401; nothing else about content is an error unless strict."""
    answer = await shop.http.get("/v1/recommendations", params={"placement": "email-grid"}, headers={"X-Api-Key": "mk_api_wrong"})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.json().keys() >= {"type", "title", "status", "code", "detail"}
