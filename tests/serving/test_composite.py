"""Placements with parts: several headings in one answer, no item twice, one pin, one record."""

import random
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from app.core.ids import DEFAULT_TENANT, unshort
from app.data.catalogue.service import put_items
from app.data.events.domain import Event, message_key
from app.data.kinds import Kind
from app.decisions.placements.domain import BlockPart, Filter
from app.serving.model import composed_codec
from app.serving.model.composed import UNKNOWN, Composed, Seed, merged
from app.serving.model.outcome import ItemReason, Outcome, Reason
from app.serving.path.rungs import order
from tests.documents.test_kit import send
from tests.serving.shop import Shop, add_events, document
from tests.serving.test_deadline import busy
from tests.serving.test_parity import documented, over_the_wire, plain

PAGE = Path(__file__).resolve().parents[2] / "docs" / "placements.md"
BECAUSE = {
    "name": "because", "heading": "Because you bought {{ item.title }}", "default": "Popular right now", "seed": "last_bought",
    "recommender": "item_to_item", "limit": 4,
}  # fmt: skip
BRAND = {"name": "brand", "heading": "More from {{ brand }}", "seed": "top_brand", "when_unknown": "leave_out", "limit": 3}
NEW = {
    "name": "new", "heading": "New in {{ category }}", "default": "New in the shop", "seed": "top_category", "order": "newest", "limit": 3,
}  # fmt: skip
TILES = {"name": "shelves", "heading": "Your categories", "default": "Our categories", "shows": "categories", "limit": 3}
PARTS = [BECAUSE, BRAND, NEW, TILES]


async def published(shop: Shop, parts: list[dict[str, Any]] | None = None, name: str = "block", **more: Any) -> None:
    answer = await send(shop, "PUT", f"placements/{name}", {"parts": PARTS if parts is None else parts, **more})
    assert answer.status_code == 200, answer.text
    await shop.settled()


async def asked(shop: Shop, **params: Any) -> Any:
    answer = await shop.get(**{"placement": "block", "user_id": "u1", **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def bought(shop: Shop, item: str, user: str = "u1") -> None:
    """Let a person buy an item, and wait until answers know."""
    await published(shop, [{**BECAUSE, "heading": "{{ item.title }}", "default": "none"}], name="watch")
    title = shop_title(item)
    one = Event(datetime.now(UTC), message_key(f"b-{user}-{item}"), ((1, user),), Kind.PURCHASE, item_id=item, order_id=f"b-{user}-{item}")
    await add_events(shop.db, shop.settings, [one])

    async def known() -> bool:
        return bool((await asked(shop, placement="watch", user_id=user))["part1_heading"] == title)

    assert await shop.until(known)


def shop_title(item: str) -> str:
    return f"Item {item[1:]}"


def ids(body: Any) -> list[str]:
    return [item["item_id"] for item in body["items"]]


def part(body: Any, name: str) -> Any:
    return next((one for one in body["parts"] if one["name"] == name), None)


async def test_parts_have_headings_and_items_of_their_own_and_no_item_comes_twice(shop: Shop) -> None:
    await bought(shop, "i9")
    await published(shop)
    body = await asked(shop)
    assert [one["heading"] for one in body["parts"]] == [
        "Because you bought Item 9", "More from Acme", "New in Shirts", "Your categories",
    ]  # fmt: skip
    assert len(set(ids(body))) == len(ids(body)) == body["item_count"]
    assert [one for told in body["parts"] for one in told["items"]] == ids(body), "the flat list has them all, in order"
    assert [item["position"] for item in body["items"]] == list(range(1, body["item_count"] + 1))
    assert "i9" not in part(body, "because")["items"]
    assert {body["items"][place]["reason"] for place in range(4)} <= {"goes_with", "popular_in_category", "bought_before"}
    new = part(body, "new")
    assert {item["category"] for item in body["items"] if item["item_id"] in new["items"]} == {"Shirts"}
    assert {item["reason"] for item in body["items"] if item["item_id"] in new["items"]} == {"new"}
    assert [one["first"] for one in body["parts"]] == [1, 5, 8, 11]


async def test_json_has_flat_members_for_platforms_that_go_into_no_list(shop: Shop) -> None:
    await published(shop)
    body = await asked(shop, escape="html")
    assert body["part_count"] == len(body["parts"])
    for number, one in enumerate(body["parts"], 1):
        assert [body[f"part{number}_{name}"] for name in ("name", "heading", "first", "item_count")] == [
            one["name"], one["heading"], one["first"], one["item_count"],
        ]  # fmt: skip
    plain_body = await asked(shop, placement="email-grid")
    assert not [name for name in plain_body if name.startswith("part")], "placements without parts answer as ever"


async def test_whoever_is_unknown_gets_popular_items_below_default_headings_or_no_part(shop: Shop) -> None:
    await published(shop)
    body = await asked(shop, user_id="")
    assert [(one["name"], one["heading"]) for one in body["parts"]] == [
        ("because", "Popular right now"), ("new", "New in the shop"), ("shelves", "Our categories"),
    ]  # fmt: skip
    assert body["fallback_reason"] == "no_user"
    assert part(body, "because")["source"] == "popular"
    assert part(body, "new")["source"] == "newest"
    assert len(part(body, "shelves")["items"]) == 3
    await published(shop, [{**BECAUSE, "when_unknown": "leave_out", "default": "For you"}, BRAND])
    body = await asked(shop, user_id="stranger")
    assert body["item_count"] > 0, "an answer is never empty"
    assert [(one["heading"], one["item_count"]) for one in body["parts"]] == [("For you", body["item_count"])]
    blank = await shop.get("/v1/snippets/block", user_id="stranger", empty="blank")
    assert blank.content == b""


async def test_a_pinned_block_keeps_items_and_headings_whatever_the_person_does(shop: Shop) -> None:
    await bought(shop, "i9")
    await published(shop)
    first = await asked(shop, send_id="mail")
    await bought(shop, "i13")
    assert (await asked(shop))["part1_heading"] == "Because you bought Item 13"
    again = await asked(shop, send_id="mail")
    assert (again["recommendation_id"], ids(again)) == (first["recommendation_id"], ids(first))
    assert [(one["name"], one["heading"], one["items"], one["source"]) for one in again["parts"]] == [
        (one["name"], one["heading"], one["items"], one["source"]) for one in first["parts"]
    ]
    for form in ("html", "text"):
        told = await shop.get(placement="block", user_id="u1", send_id="mail", format=form)
        assert "Because you bought Item 9" in told.text
    gone = part(first, "because")["items"][0]
    await put_items(shop.db, shop.settings, DEFAULT_TENANT, [{**document(int(gone[1:])), "availability": "out_of_stock"}])
    await shop.settled()
    body = await asked(shop, send_id="mail")
    assert gone not in ids(body)
    assert len(set(ids(body))) == len(ids(body))
    assert body["part1_heading"] == "Because you bought Item 9"
    assert set(ids(first)) - {gone} <= set(ids(body)), "all others stay"


async def test_a_pin_that_was_damaged_is_nothing_and_never_fails(shop: Shop) -> None:
    catalogue = shop.app.state.resources.holder.current[DEFAULT_TENANT].catalogue
    pick = (3, 0.5, ItemReason.GOES_WITH)
    parts = [
        Composed(place, BlockPart(name=f"p{place}"), seed, Outcome(order.LIVE, Reason.NONE, [pick], 7), bool(place), Filter())
        for place, seed in enumerate((Seed(True, 5), Seed(True, word="Größe & Co"), UNKNOWN))
    ]
    outcome = merged(parts)
    outcome.recommendation_id = b"r" * 16
    value = composed_codec.pack(outcome, catalogue)
    found = composed_codec.unpack(value, catalogue, order.numbered)
    assert found is not None
    assert (found[0], [(one.place, one.seed, one.own, one.outcome.picks) for one in found[1]]) == (
        b"r" * 16, [(one.place, one.seed, one.own, one.outcome.picks) for one in parts],
    )  # fmt: skip
    assert all(composed_codec.unpack(value[:length], catalogue, order.numbered) is None for length in range(len(value)))
    draw = random.Random(5)
    for _ in range(3_000):
        broken = bytearray(value)
        for _ in range(draw.randint(1, 4)):
            broken[draw.randrange(len(broken))] = draw.randrange(256)
        composed_codec.unpack(bytes(broken), catalogue, order.numbered)


async def test_a_pin_rests_on_consent_and_on_the_parts_that_there_are(shop: Shop) -> None:
    await published(shop)
    first = await asked(shop, send_id="mail")
    await published(shop, [BECAUSE, NEW])
    assert [one["name"] for one in (await asked(shop, send_id="mail"))["parts"]] == ["because", "new"]
    await published(shop)
    assert (await asked(shop, send_id="mail"))["recommendation_id"] == first["recommendation_id"]
    answer = await shop.http.put("/v1/admin/people/u1/consent", json={"personalisation": False}, headers={"X-Api-Key": shop.key})
    assert answer.status_code < 300

    async def refused() -> bool:
        return bool((await asked(shop, send_id="mail"))["fallback_reason"] == "no_consent")

    assert await shop.until(refused)
    assert (await asked(shop, send_id="mail"))["part1_heading"] == "Popular right now"


async def test_both_ways_in_answer_alike(shop: Shop) -> None:
    await published(shop)
    headers = {"x-api-key": shop.key}
    for target in (
        "/v1/recommendations?placement=block&user_id=u1", "/v1/recommendations?placement=block",
        "/v1/recommendations?placement=block&user_id=u2&limit=5&escape=html", "/v1/snippets/block?user_id=u1",
        "/v1/snippets/block?user_id=u1&format=text&category=Hats", "/v1/recommendations?placement=block&user_id=u3&send_id=mail",
        "/v1/recommendations?placement=block&user_id=u1&exclude=i1,i5&explain=1&category=Shirts",
    ):  # fmt: skip
        for _ in range(2):  # lists and cards are made on first use
            await documented(shop, target, headers)
        assert plain((await over_the_wire(shop, target, headers))[0]) == plain(await documented(shop, target, headers)), target


async def test_where_a_model_is_missing_or_late_its_part_comes_from_below_and_the_others_stand(shop: Shop) -> None:
    await bought(shop, "i9")
    await published(shop, [{**BECAUSE, "recommender": "ease"}, {**BRAND, "recommender": "personal"}])
    body = await asked(shop)
    because, brand = body["parts"]
    assert (because["source"], because["fallback_reason"]) == ("segment", "model_missing")
    assert {one["reason"] for one in body["items"][: because["item_count"]]} == {"popular_in_category"}
    assert brand["source"] in ("live", "cached")
    await published(shop, [BECAUSE, {**BRAND, "recommender": "personal"}], deadline_ms=60, filter={"price_max": 110})
    busy(shop, 0.5)
    late = await asked(shop)
    assert [one["name"] for one in late["parts"]] == ["because", "brand"]
    assert {one["fallback_reason"] for one in late["parts"]} <= {"deadline", "overload"}
    assert late["part1_heading"] == "Because you bought Item 9"


async def test_a_model_that_fails_costs_its_own_part_and_a_fault_gives_popular_items(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await bought(shop, "i9")
    await published(shop, [{**BECAUSE, "filter": {"price_max": 112}}, {**BRAND, "recommender": "personal"}])

    def broken(*_: Any) -> Any:
        raise ValueError("no such input")

    snapshot = shop.app.state.resources.holder.current[DEFAULT_TENANT]
    with monkeypatch.context() as patch:
        patch.setattr(snapshot.models["item_to_item"].loaded, "score_top", broken)
        because, brand = (await asked(shop))["parts"]
    assert (because["heading"], because["source"], because["fallback_reason"]) == ("Because you bought Item 9", "segment", "model_error")
    assert brand["source"] in ("live", "cached")
    with monkeypatch.context() as patch:
        patch.setattr("app.serving.path.parts.seeds.liked", broken)
        body = await asked(shop)
    assert (body["source"], body["fallback_reason"], body["item_count"]) == ("popular", "model_error", 7)
    assert [(one["heading"], one["items"]) for one in body["parts"]] == [("Popular right now", ids(body))]


async def test_a_title_in_a_heading_is_escaped_in_every_format(shop: Shop) -> None:
    await bought(shop, "i9")
    hostile = "<script>alert(1)</script> & {{ x }} %%y%% \"'"
    await put_items(shop.db, shop.settings, DEFAULT_TENANT, [{**document(9), "title": hostile}])
    await shop.settled()
    await published(shop, [BECAUSE])
    html = (await shop.get("/v1/snippets/block", user_id="u1")).text
    assert "<script>" not in html
    assert "Because you bought &lt;script&gt;" in html
    text = (await shop.get("/v1/snippets/block", user_id="u1", format="text")).text
    for told in (html, text, (await asked(shop))["part1_heading"], (await asked(shop, escape="html"))["part1_heading"]):
        assert not any(tag in told for tag in ("{{", "%%", "}}"))
    assert "<" not in (await asked(shop, escape="html"))["parts"][0]["heading"]


async def test_one_record_and_one_list_of_links_have_the_items_of_all_parts(shop: Shop) -> None:
    await published(shop)
    body = await asked(shop)
    last = body["items"][-1]
    answer = await shop.http.get(urlsplit(last["url"]).path)
    assert answer.headers["location"] == f"https://shop.example/{last['item_id']}"

    async def recorded() -> Any:
        sql = (
            "select array_agg(i.item_id order by o.place) from serve s, unnest(s.items) with ordinality o (item_no, place) "
            "join item i on i.tenant = :tenant and i.item_no = o.item_no where s.tenant = :tenant and s.recommendation_id = :id"
        )
        rows = await shop.db.rows(sql, tenant=DEFAULT_TENANT, id=unshort(body["recommendation_id"]))
        return rows[0][0] if rows else None

    assert await shop.until(recorded) == ids(body)


async def test_categories_and_brands_are_answers_with_picture_link_name_and_count(shop: Shop) -> None:
    await put_items(shop.db, shop.settings, DEFAULT_TENANT, [{**document(n), "brand": "Nordhavn"} for n in range(1, 120, 8)])
    await shop.settled()
    brands = {"name": "brands", "heading": "Your brands", "default": "Brands", "shows": "brands", "limit": 4}
    await published(shop, [TILES, brands])
    body = await asked(shop, explain="1")
    (tile,) = part(body, "shelves")["categories"]
    assert (tile["name"], tile["full_name"], tile["count"]) == ("Shirts", "Shirts", 30)
    item = body["items"][tile["position"] - 1]
    assert (item["item_id"], item["image_url"], item["category"]) == (tile["item_id"], tile["image_url"], "Shirts")
    assert item["url"].startswith("http")
    assert {one["name"]: one["count"] for one in part(body, "brands")["brands"]} == {"Nordhavn": 15, "Acme": 105}
    html = (await shop.get("/v1/snippets/block", user_id="u1")).text
    assert all(word in html for word in ("Your categories", "Shirts", "Your brands", "Nordhavn"))
    unknown = await asked(shop, user_id="")
    assert len({one["name"] for one in part(unknown, "shelves")["categories"]}) == 3


async def test_a_part_of_the_brand_liked_most_shows_nothing_else_and_one_of_what_was_viewed_starts_there(shop: Shop) -> None:
    await put_items(shop.db, shop.settings, DEFAULT_TENANT, [{**document(n), "brand": "Nordhavn"} for n in range(1, 20, 4)])
    await shop.settled()
    for number in range(1, 20, 4):
        await bought(shop, f"i{number}", "newcomer")
    view = Event(datetime.now(UTC), message_key("v"), ((1, "newcomer"),), Kind.VIEW, item_id="i40")
    await add_events(shop.db, shop.settings, [view])
    viewed = {"name": "viewed", "heading": "Beside {{ item.title }}", "default": "Popular", "seed": "last_viewed", "limit": 2}
    await published(shop, [{**BRAND, "limit": 8}, viewed])

    async def told() -> Any:
        body = await asked(shop, user_id="newcomer")
        return body if body["parts"][-1]["heading"] == "Beside Item 40" else None

    body = await shop.until(told)
    assert body["part1_heading"] == "More from Nordhavn"
    assert {one["brand"] for one in body["items"] if one["item_id"] in part(body, "brand")["items"]} == {"Nordhavn"}
    assert body["part1_item_count"] == 5, "rather short than filled with what the heading does not say"
    await published(shop, [{**BRAND, "filter": {"exclude_bought": True}}, viewed])
    body = await asked(shop, user_id="newcomer")
    assert [one["name"] for one in body["parts"]] == ["viewed"], "all of the brand was bought"


async def test_what_is_popular_in_a_segment_is_a_part_for_those_who_are_in_it(shop: Shop) -> None:
    assert (await send(shop, "PUT", "segments/hats", {"when": 'affinity.category["Hats"] > 0.5'})).status_code == 200

    async def listed() -> bool:
        sql = "select 1 from popular_list where tenant = :tenant and segment = 'segment:hats'"
        return bool(await shop.db.rows(sql, tenant=DEFAULT_TENANT))

    assert await shop.until(listed, 20)
    yours = {"name": "yours", "heading": "Popular in your segment", "default": "Popular", "seed": "segment", "limit": 3}
    await published(shop, [yours], segments=["hats"])

    async def known() -> bool:
        return bool((await asked(shop, user_id="u2"))["part1_heading"] == "Popular in your segment")

    assert await shop.until(known)
    assert {one["reason"] for one in (await asked(shop, user_id="u2"))["items"]} == {"popular_in_segment"}
    assert (await asked(shop, user_id="u3"))["part1_heading"] == "Popular"


async def test_a_limit_of_the_request_holds_for_all_parts_and_a_category_narrows_each(shop: Shop) -> None:
    await published(shop)
    body = await asked(shop, limit="5")
    assert body["item_count"] == 5
    assert [one["item_count"] for one in body["parts"]] == [4, 1]
    body = await asked(shop, category="Hats")
    assert {item["category"] for item in body["items"]} == {"Hats"}
    assert part(body, "new")["heading"] == "New in the shop", "the person's best category lies outside"


async def test_rules_hold_in_every_part_and_a_pinned_item_comes_once(shop: Shop) -> None:
    await published(shop)
    before = await asked(shop)
    out = [part(before, name)["items"][0] for name in ("because", "brand", "new")]
    for name, rule in (
        ("out", {"action": "exclude", "where": " or ".join(f'item.id = "{one}"' for one in out), "placements": ["block"]}),
        ("first", {"action": "pin", "items": ["i3"], "place": 1, "placements": ["block"]}),
    ):
        assert (answer := await send(shop, "PUT", f"rules/{name}", rule)).status_code == 200, answer.text
    await shop.settled()
    body = await asked(shop, explain="1")
    assert not set(out) & set(ids(body))
    assert ids(body).count("i3") == 1
    assert ids(body)[0] == "i3"
    assert {one["part"] for one in body["explain"]["rules"]} == {"because", "brand", "new"}


async def test_explain_tells_what_each_part_started_from(shop: Shop) -> None:
    await bought(shop, "i9")
    await published(shop)
    told = {one["part"]: one for one in (await asked(shop, explain="1"))["explain"]["parts"]}
    assert (told["because"]["seed"], told["because"]["known"], told["because"]["from"]) == ("last_bought", True, "i9")
    assert (told["brand"]["from"], told["brand"]["filter"]["brands"]) == ("Acme", ["Acme"])
    assert told["new"]["source"] == "newest"
    assert {step["part"] for step in (await asked(shop, explain="1"))["explain"]["rungs"]} == {"because", "brand", "new", "shelves"}


async def test_a_part_goes_with_the_item_of_the_page(shop: Shop) -> None:
    page = {"name": "with", "heading": "Goes with {{ item.title }}", "default": "Popular", "seed": "page", "recommender": "item_to_item"}
    await published(shop, [page, BRAND])
    body = await asked(shop, item_id="i5")
    assert body["part1_heading"] == "Goes with Item 5"
    assert "i5" not in ids(body)
    assert (await asked(shop))["part1_heading"] == "Popular"
    nobody = await asked(shop, user_id="", item_id="i5", send_id="page")
    assert nobody["part1_heading"] == "Goes with Item 5"
    assert (await asked(shop, user_id="", item_id="i5", send_id="page"))["recommendation_id"] == nobody["recommendation_id"]


async def test_a_frame_that_reads_parts_draws_them_itself(shop: Shop) -> None:
    drawn = {
        "frame": "{% for part in parts %}<h3>{{ part.heading }}</h3>{% for card in part.cards %}{{ card }}{% endfor %}<hr>{% endfor %}",
        "card": "<b>{{ item.position }} {{ item.title }}{% if item.count %} ({{ item.count }}){% endif %}</b>",
    }
    answer = await send(shop, "PUT", "templates/mine", {"html": drawn, "text": drawn})
    assert answer.status_code == 200, answer.text
    await published(shop, template="mine")
    html = (await shop.get("/v1/snippets/block", user_id="u1")).text
    assert html.count("<hr>") == 4
    assert "<h3>More from Acme</h3><b>5 Item" in html
    assert re.search(r"<h3>Your categories</h3><b>\d+ Shirts \(30\)</b>", html)
    await send(shop, "PUT", "placements/flat", {"template": "mine", "count": 2})
    await shop.settled()
    flat = (await shop.get("/v1/snippets/flat", user_id="u1")).text
    assert (flat.count("<b>"), flat.count("<h3></h3>")) == (2, 1), "a block without parts is one"


@pytest.mark.parametrize(
    ("parts", "field", "words"),
    [
        ([{**BECAUSE, "heading": "You bought {{ item.titel }}"}], "parts.0.heading", "did you mean item.title?"),
        (
            [{**BRAND, "heading": "Of {{ category }}"}],
            "parts.0.heading",
            "cannot be known from the brand liked most: it can say {{ brand }}",
        ),
        ([{**BECAUSE, "default": ""}], "parts.0.default", "leave the part out"),
        ([{**BECAUSE, "default": "{{ brand }}"}], "parts.0.default", "where the seed is unknown"),
        ([{"name": "x", "heading": "{% if a %}"}], "parts.0.heading", "nothing else in braces"),
        ([BECAUSE, BECAUSE], "parts", "two parts are called because: give each a name of its own"),
        ([{**BECAUSE, "limit": 30}, {**NEW, "limit": 30}], "parts", "come to 60"),
        ([{**BECAUSE, "parts": [NEW]}], "parts.0.parts", "there is no such field"),
        ([{**BECAUSE, "limits": 3}], "parts.0.limits", "did you mean limit?"),
        ([{**BECAUSE, "filter": {"brand": ["Acme"]}}], "parts.0.filter.brand", "did you mean brands?"),
        ([{**BECAUSE, "filter": {"where": "item.prise < 3"}}], "parts.0.filter.where", "item.price"),
        ([{**BECAUSE, "filter": {"where": "item.price < spent"}}], "parts.0.filter.where", "the filter of the whole placement"),
        ([{**BECAUSE, "recommender": "item_to_itm"}], "parts.0.recommender", "did you mean item_to_item?"),
        ([{**BECAUSE, "seed": "segment", "heading": "Yours"}], "parts.0.seed", "name some in `segments`"),
        ([{**TILES, "seed": "top_brand"}], "parts.0.seed", "leave `seed` empty"),
        ([{**BECAUSE, "order": "newest"}], "parts.0.order", "does not follow"),
        ([{**BECAUSE, "name": "Upper case"}], "parts.0.name", "pattern"),
        ([{"name": f"p{n}"} for n in range(7)], "parts", "at most 6"),
    ],
)
async def test_what_can_never_work_is_refused_with_what_to_do(shop: Shop, parts: list[Any], field: str, words: str) -> None:
    answer = await send(shop, "PUT", "placements/block", {"parts": parts})
    assert answer.status_code == 422, answer.text
    errors = answer.json()["errors"]
    assert any(one["field"] == field and words in one["message"] for one in errors), errors


async def test_a_part_takes_a_condition_on_items(shop: Shop) -> None:
    await published(shop, [{"name": "cheap", "heading": "Cheap", "filter": {"where": "item.price < 20"}, "limit": 4}])
    found = await asked(shop)
    assert len(found["items"]) == 4
    assert all(one["price"] < 20 for one in found["items"])


async def test_a_part_of_which_nothing_is_left_is_told_before_it_is_published(shop: Shop) -> None:
    parts = [{**NEW, "filter": {"categories": ["Shirtz"]}}, {**BECAUSE, "filter": {"price_max": 1}}]
    answer = await send(shop, "PUT", "placements/block", {"parts": parts})
    assert answer.status_code == 200
    told = {one["field"]: one["message"] for one in answer.json()["findings"]}
    assert "did you mean Shirts?" in told["parts.0.filter.categories"]
    assert told["parts.1.filter"] == "leaves 0 products that are in stock, and 4 are shown"
    await shop.settled()
    assert (await asked(shop))["item_count"] > 0


async def test_previews_dry_runs_and_lists_show_parts(shop: Shop) -> None:
    draft = {"document": {"parts": PARTS}, "user_id": "u1", "format": "json"}
    answer = await send(shop, "POST", "placements/block/preview", draft)
    assert answer.status_code == 200, answer.text
    assert [one["name"] for one in answer.json()["parts"]] == ["because", "brand", "new", "shelves"]
    html = (await send(shop, "POST", "placements/block/preview", {**draft, "format": "html"})).text
    assert "More from Acme" in html
    report = (await send(shop, "POST", "placements/email-grid/dry-run?people=5", {"parts": PARTS})).json()
    assert report["placements"][0]["places"] == 6 * 13
    assert report["placements"][0]["draft"]["filled"] > 0


async def test_the_example_of_the_page_can_be_published_and_answers(shop: Shop) -> None:
    (example,) = [one for block in PAGE.read_text().split("```json\n")[1:] if '"parts"' in (one := block.split("```")[0])]
    answer = await send(shop, "PUT", "placements/block", orjson.loads(example), Strict="1")
    assert answer.status_code == 200, answer.text
    await shop.settled()
    body = await asked(shop)
    assert [one["name"] for one in body["parts"]] == ["because", "brand", "new", "shelves"]
