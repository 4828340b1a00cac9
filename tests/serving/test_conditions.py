"""A placement's filter holds its condition on every rung, for stored answers too, and gives it up before a block stays empty."""

import hashlib
from typing import Any

import pytest

from app.core.ids import DEFAULT_TENANT
from app.data.catalogue.service import put_items
from app.decisions.placements import service as placements
from app.decisions.placements.domain import Filter, Placement
from app.decisions.placements.widening import beyond
from app.serving.snapshot.rules.programs import FILTER
from tests.documents.test_kit import send
from tests.serving.shop import Shop, document

CHEAP = "item.price < 30"


async def published(shop: Shop, where: Any, name: str = "cond", **more: Any) -> None:
    wanted = Placement(filter=Filter(where=where, **more.pop("filter", {})), **more)
    await placements.publish(shop.db, DEFAULT_TENANT, name, wanted)
    await shop.settled()


async def answer(shop: Shop, **asked: Any) -> dict[str, Any]:
    found = await shop.get(placement="cond", **asked)
    assert found.status_code == 200, found.text
    return dict(found.json())


def prices(body: dict[str, Any]) -> list[float]:
    return [one["price"] for one in body["items"]]


@pytest.mark.parametrize("where", [CHEAP, {"fact": "item.price", "is": "<", "value": 30}])
async def test_what_meets_the_condition_is_shown_on_every_rung_and_a_mask_asks_no_rule(shop: Shop, where: Any) -> None:
    await published(shop, where)
    for asked in ({}, {"user_id": "u1"}, {"user_id": "u1"}, {"user_id": "stranger"}, {"user_id": "u1", "category": "Hats"}):
        body = await answer(shop, **asked)
        assert max(prices(body)) < 30
        assert body["warnings"] == []
    assert (await answer(shop, user_id="u1"))["source"] == "cached"
    assert "cond" not in shop.app.state.resources.holder.current[DEFAULT_TENANT].programs


async def test_a_stored_answer_loses_an_item_whose_price_left_the_condition(shop: Shop) -> None:
    await published(shop, CHEAP)
    before = await answer(shop, user_id="u1", send_id="s")
    gone = before["items"][0]["item_id"]
    await put_items(shop.db, shop.settings, DEFAULT_TENANT, [{**document(int(gone[1:])), "price": "99 GBP"}])
    await shop.settled()
    after = await answer(shop, user_id="u1", send_id="s")
    assert gone not in [one["item_id"] for one in after["items"]]
    assert (after["item_count"], after["recommendation_id"]) == (6, before["recommendation_id"])
    assert max(prices(after)) < 30


async def test_a_condition_on_any_field_of_items_follows_what_changes(shop: Shop) -> None:
    changed = [{**document(n), "material": "wool"} for n in (2, 6, 10)]
    await put_items(shop.db, shop.settings, DEFAULT_TENANT, changed)
    await published(shop, 'item.attr.material = "Wool"', recommender="")
    assert {one["item_id"] for one in (await answer(shop, limit="3"))["items"]} == {"i2", "i6", "i10"}
    await put_items(shop.db, shop.settings, DEFAULT_TENANT, [document(2)])
    await shop.settled()
    assert {one["item_id"] for one in (await answer(shop, limit="3"))["items"]} == {"i6", "i10"}


async def test_a_condition_that_names_the_person_or_the_request_is_held_like_a_rule(shop: Shop) -> None:
    await published(shop, 'item.category = ctx.room or (orders.365d > 0 and item.category = "Hats")')
    assert {one["category"] for one in (await answer(shop, **{"ctx.room": "bags"}))["items"]} == {"Bags"}

    async def known() -> bool:
        body = await answer(shop, user_id="u1")
        return {one["category"] for one in body["items"]} == {"Hats"} and not body["warnings"]

    assert await shop.until(known)
    told = (await answer(shop, user_id="u1", explain="1"))["explain"]["rules"]
    assert [(one["rule"], one["action"], one["acts"]) for one in told] == [(FILTER, "include", True)]


@pytest.mark.parametrize("where", ["item.age < 2", "item.popularity > 0.5", "item.age < 2 and item.price < 30"])
async def test_age_and_popularity_are_held_as_they_move_and_narrow_the_list_of_a_person(shop: Shop, where: str) -> None:
    await published(shop, where)
    for _ in range(2):
        body = await answer(shop, user_id="u1")
        assert (body["item_count"], body["warnings"]) == (6, [])
    assert body["source"] == "cached"
    if "popularity" in where:
        best = {one["item_id"] for one in (await shop.get(placement="home-popular", limit="50")).json()["items"]}
        assert {one["item_id"] for one in (await answer(shop))["items"]} <= best


@pytest.mark.parametrize("where", ["item.price > 1000", "item.price > default(ctx.least, 1000)", "item.age > 10000"])
async def test_a_condition_that_leaves_nothing_is_given_up_first_and_told(shop: Shop, where: str) -> None:
    await published(shop, where, filter={"categories": ("Hats",), "exclude_bought": True})
    for asked in ({}, {"user_id": "u2"}, {"user_id": "u2", "send_id": "w"}):
        body = await answer(shop, **asked)
        assert {one["category"] for one in body["items"]} == {"Hats"}, "the rest of the filter is kept"
        assert (body["item_count"], body["fallback_reason"]) == (6, "too_few_items")
        assert body["warnings"] == ["filter: nothing that passes it can be shown; used without its condition"]
    again = await answer(shop, user_id="u2", send_id="w")
    assert [one["item_id"] for one in again["items"]] == [one["item_id"] for one in body["items"]]
    assert again["fallback_reason"] == "too_few_items"
    assert (await answer(shop, empty="blank"))["items"] == []


async def test_both_a_condition_and_prices_that_leave_nothing_give_way_step_by_step(shop: Shop) -> None:
    await published(shop, "item.price > ctx.least", filter={"price_min": 1e6, "categories": ("Bags",)})
    body = await answer(shop, **{"ctx.least": "5"})
    assert {one["category"] for one in body["items"]} == {"Bags"}
    assert body["warnings"] == ["filter: nothing that passes it can be shown; used without bounds of price"]


NEVER: tuple[tuple[Any, str], ...] = (
    ("item.prize > 3", "at character 1: there is no fact item.prize; did you mean item.price?"),
    ("item.price >", "at character"),
    ("orders.30d > 3", "it names nothing of an item: rules show something to some people, or at some moments"),
    ("score > 1", "there is no fact score"),
    ('item.price > 3 and segment["nobody-knows"]', "there is no segment nobody-knows"),
    ({"all": [{"fact": "item.price", "is": ">", "value": "much"}]}, "cannot be compared"),
)  # fmt: skip


async def test_what_cannot_be_read_is_refused_with_its_place_and_the_nearest_name(shop: Shop) -> None:
    for where, says in NEVER:
        refused = await send(shop, "PUT", "placements/cond", {"filter": {"where": where}})
        assert refused.status_code == 422, where
        errors = refused.json()["errors"]
        assert {one["field"] for one in errors} == {"filter.where"}
        assert says in errors[0]["message"]


async def test_publishing_says_it_in_words_and_how_many_products_it_leaves(shop: Shop) -> None:
    async def told(where: str) -> dict[str, str]:
        answer = await send(shop, "PUT", "placements/cond?dry_run=1", {"filter": {"where": where, "categories": ["Hats"]}})
        assert answer.status_code == 200, answer.text
        return {one["field"]: one["message"] for one in answer.json()["findings"]}

    found = await told(CHEAP)
    assert found["filter.where"] == "The item's price is less than 30."
    assert found["filter"].startswith("this filter leaves 5 of 120 products that are in stock, and 6 are shown")
    assert (await told("item.age < 1"))["filter"] == "this filter leaves 30 of 120 products that are in stock"
    assert (await told("item.popularity > 2"))["filter"].startswith("this filter leaves 0 of 120 products")
    asked = "this filter leaves 30 of 120 products that are in stock, beside its condition, which is asked for each answer"
    assert (await told("item.price < average_order"))["filter"] == asked


async def test_a_draft_is_seen_and_tried_with_its_condition(shop: Shop) -> None:
    for where in (CHEAP, "item.price < default(ctx.most, 30)"):
        wanted = {"document": {"filter": {"where": where}}, "format": "json", "user_id": "u1"}
        seen = (await send(shop, "POST", "placements/email-grid/preview", wanted)).json()
        assert max(prices(seen)) < 30
        tried = await send(shop, "POST", "placements/email-grid/dry-run?people=5", {"filter": {"where": where}})
        assert tried.status_code == 200, tried.text
        assert tried.json()["changed_people"] > 0
        assert all(int(one["item_id"][1:]) < 20 for one in tried.json()["winners"])


def test_filters_without_a_condition_keep_the_name_of_their_lists_and_are_looked_up_by_it() -> None:
    plain = Filter(categories=("Hats",), exclude_bought=True)
    before = plain.model_dump_json(exclude={"where"})
    assert plain.key == hashlib.blake2b(before.encode(), digest_size=6).hexdigest()
    spelled = Filter(where={"fact": "item.price", "is": "<", "value": 30})
    assert spelled.key != Filter(where=CHEAP).key != Filter().key
    assert [one.told.rpartition("used ")[2] for one in beyond(spelled)] == ["without its condition"]
    assert spelled.narrowed("Hats").where == spelled.where
