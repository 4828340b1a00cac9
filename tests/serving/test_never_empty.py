"""No placement, category, filter, format or catalogue leaves a block empty while anything may be shown."""

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.content.formats import FORMATS
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings
from app.data.catalogue.service import put_items
from app.data.catalogue.values.categories import comparable
from app.decisions.placements import service as placements
from app.decisions.placements.domain import Filter, Fixed, Placement
from app.decisions.placements.widening import beyond, within
from app.documents import store
from app.serving.model.call import Call
from app.serving.model.outcome import Outcome, Reason
from app.serving.path.ladder import fill
from app.serving.path.place import place
from app.serving.path.rungs import order
from app.serving.render import answer
from app.serving.snapshot.building import Rows, build
from app.serving.snapshot.snapshot import Config, Placed, Snapshot
from tests.serving.shop import CATEGORIES, Shop, document
from tests.serving.test_snapshot import record


def test_a_filter_is_widened_from_the_category_to_all_that_is_not_excluded() -> None:
    own = Filter(categories=("Women",), brands=("Acme",), price_max=20, exclude_bought=True, not_categories=("Women > Sale",))
    steps = within(own.narrowed("Women > Shoes > Boots"), own)
    assert [one.filter.categories for one in steps] == [("Women > Shoes",), ("Women",), ("Women",)]
    assert steps[-1].filter == own
    wider = [one.filter for one in beyond(own)]
    assert [(one.price_max, one.brands, one.categories, one.exclude_bought) for one in wider] == [
        (None, ("Acme",), ("Women",), True), (None, (), ("Women",), True), (None, (), (), True), (None, (), (), False),
    ]  # fmt: skip
    assert all(one.not_categories == own.not_categories for one in wider)
    assert len({one.key for one in wider}) == len(wider)


@pytest.mark.parametrize("category", ["shoes", " SHOES ", "Shoes", "Shoes,Nonsense", "Hats, shoes", "SHOES,hats"])
async def test_categories_are_found_whatever_their_case_and_spaces_and_a_list_is_any_of_them(shop: Shop, category: str) -> None:
    answer = (await shop.get(placement="home-popular", limit="50", category=category)).json()
    wanted = {"Shoes", "Hats"} if "ats" in category else {"Shoes"}
    assert {item["category"] for item in answer["items"]} == wanted
    assert answer["fallback_reason"] != "too_few_items"
    assert answer["warnings"] == (["category: no item is of Nonsense"] if "Nonsense" in category else [])


async def test_the_parts_of_a_category_may_stand_together_and_one_without_stock_gives_way_to_the_one_above(shop: Shop) -> None:
    boots = [{**document(400 + n), "category": "Shoes > Boots", "availability": "in_stock"} for n in range(3)]
    caps = [{**document(410 + n), "category": "Hats > Caps", "availability": "out_of_stock"} for n in range(3)]
    await put_items(shop.db, shop.settings, DEFAULT_TENANT, [*boots, *caps])
    await shop.settled()
    for spelled in ("Shoes>Boots", "shoes >boots", "Shoes > Boots"):
        answer = (await shop.get(placement="home-popular", category=spelled)).json()
        assert {item["category"] for item in answer["items"]} == {"Shoes > Boots"}
    answer = (await shop.get(placement="email-grid", user_id="u2", category="Hats > Caps", strict="1")).json()
    assert {item["category"] for item in answer["items"]} == {"Hats"}
    assert answer["fallback_reason"] == "too_few_items"
    assert answer["warnings"] == ["category: nothing of it can be shown; widened to Hats"]
    assert answer["source"] in ("live", "cached"), "what stands in is personal too"


@pytest.mark.parametrize("format", ["json", "html", "text"])
async def test_an_unknown_category_is_told_and_filled_and_stays_empty_only_when_that_is_asked_for(shop: Shop, format: str) -> None:
    for send in ({}, {"send_id": f"never-{format}"}):
        asked = {"placement": "email-grid", "category": "Nonsense", "format": format, **send}
        answer = await shop.get(**asked)
        if format == "json":
            assert answer.json()["item_count"] == 6
            assert answer.json()["fallback_reason"] == "too_few_items"
            assert answer.json()["warnings"] == ["category: no item is of Nonsense"]
        assert len(answer.content.strip()) > 100
        blank = await shop.get(**asked, empty="blank")
        assert (blank.json()["items"] if format == "json" else blank.content) in ([], b"")
    strict = await shop.get(placement="email-grid", category="Nonsense", strict="1")
    assert strict.status_code == 400


async def test_a_filter_that_leaves_nothing_is_widened_and_told_and_pins_the_same_items(shop: Shop) -> None:
    await placements.publish(shop.db, DEFAULT_TENANT, "dear", Placement(filter=Filter(categories=("Hats",), price_min=1e6)))
    await placements.publish(shop.db, DEFAULT_TENANT, "lost", Placement(filter=Filter(categories=("Womens",), brands=("Acem",))))
    await shop.settled()
    for name, categories, told in (("dear", {"Hats"}, "without bounds of price"), ("lost", set(CATEGORIES), "without its categories")):
        first = (await shop.get(placement=name, user_id="u1", send_id="w")).json()
        again = (await shop.get(placement=name, user_id="u1", send_id="w")).json()
        assert {item["category"] for item in first["items"]} <= categories
        assert (first["item_count"], first["fallback_reason"]) == (6, "too_few_items")
        assert first["warnings"] == again["warnings"] == [f"filter: nothing that passes it can be shown; used {told}"]
        assert [item["item_id"] for item in first["items"]] == [item["item_id"] for item in again["items"]]
        assert first["recommendation_id"] == again["recommendation_id"]
        assert len((await shop.get(f"/v1/snippets/{name}", user_id="u1", send_id="w")).content) > 1000
        assert (await shop.get(f"/v1/snippets/{name}", user_id="u1", empty="blank")).content == b""


async def test_a_template_that_renders_to_nothing_gives_way_to_the_grid(shop: Shop) -> None:
    nothing = {"frame": " ", "card": "{{ item.ttle }}"}
    # today it would be refused when it is published
    await store.add(shop.db, "template", DEFAULT_TENANT, "nothing", {"html": nothing, "text": nothing}, who="an earlier release")
    await placements.publish(shop.db, DEFAULT_TENANT, "void", Placement(template="nothing"))
    await shop.settled()
    for format in ("html", "text"):
        assert b"Item" in (await shop.get("/v1/snippets/void", user_id="u1", format=format)).content


WORDS = ["Shoes", "shoes", "Shoes > Boots", "Hats", "Bags > Small", "Bags", ""]
ASKED = [*WORDS, "Shoes>Boots > High", "Nonsense", "Hats,Bags", "Nonsense, hats", ",", " > ", "\0"]
some_words = st.lists(st.sampled_from([*WORDS[:-1], "Nonsense"]), max_size=2).map(tuple)
prices = st.none() | st.sampled_from([0.0, 11.0, 14.0, 1e9])
filters = st.builds(
    Filter,
    categories=some_words,
    not_categories=st.lists(st.sampled_from(["Shoes", "Hats", "Bags"]), max_size=3).map(tuple),
    brands=st.sampled_from([(), ("Acme",), ("acme", "Nobody"), ("Nobody",)]),
    not_brands=st.sampled_from([(), ("ACME",)]),
    kinds=st.sampled_from([(), ("product",), ("article",)]),
    price_min=prices,
    price_max=prices,
    currency=st.sampled_from(["", "GBP", "USD"]),
    exclude_bought=st.booleans(),
    exclude_seen=st.booleans(),
    where=st.sampled_from(["", "item.price > 1e6", 'item.brand = "Bold"', 'item.brand = "Bold" and ctx.on = "yes"', "item.age < 3"]),
)
ids = st.lists(st.sampled_from([f"i{n}" for n in range(1, 9)]), max_size=4).map(tuple)
fixed = st.builds(Fixed, items=ids, html=st.sampled_from(["", "<p>Soon</p>"]), text=st.sampled_from(["", "Soon"]))
rules = st.builds(Placement, recommender=st.just(""), count=st.integers(1, 8), filter=filters, blocked=ids, fixed=fixed)
stock = st.lists(st.tuples(st.sampled_from(WORDS), st.booleans(), st.sampled_from(["Acme", "Bold"])), max_size=8)


def a_call(rules: Placement, stock: list[tuple[str, bool, str]], **asked: Any) -> Call:
    rows = Rows()
    found = [record(n, 0, word, available=here, brand=brand) for n, (word, here, brand) in enumerate(stock, 1)]
    if found:
        rows.add(found)
    config = Config("t", {"p": Placed("p", 1, 1, rules)}, {}, {"": np.arange(1, 4)}, {})
    call = Call(1, "p")
    call.snapshot = Snapshot(1, build(rows, 0.0), config, {}, 0.0)
    for name, value in asked.items():
        setattr(call, name, value)
    return call


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rules, stock, st.sampled_from(ASKED), st.sampled_from(["json", "html", "text"]), ids, st.frozensets(st.integers(1, 8)))
async def test_whatever_is_published_and_asked_something_is_shown_while_something_may_be(
    rules: Placement, stock: list[tuple[str, bool, str]], category: str, format: str, excluded: tuple[str, ...], bought: frozenset[int]
) -> None:
    call = a_call(rules, stock, category=category, format=FORMATS[format], exclude=frozenset(excluded), bought=bought)
    place(call, Settings(data_dir=".morsel"))
    call.closed = Reason.NO_USER
    call.outcome = Outcome(order.FIXED, Reason.NO_USER, [])
    fill(call, call.outcome)
    picks = call.outcome.picks
    never = {comparable(word) for word in rules.filter.not_categories}
    may = {
        n
        for n, (word, here, brand) in enumerate(stock, 1)
        if here
        and not any(comparable(word) == one or comparable(word).startswith(f"{one} > ") for one in never)
        and comparable(brand) not in {comparable(one) for one in rules.filter.not_brands}
        and not {f"i{n}"} & {*rules.blocked, *excluded}
    }
    # fixed items are what marketing named; they are in stock, and not blocked
    named = {
        n for n, (_, here, _) in enumerate(stock, 1) if here and f"i{n}" in rules.fixed.items and f"i{n}" not in {*rules.blocked, *excluded}
    }
    shown = {index + 1 for index, _, _ in picks}
    assert shown <= may | named
    content = {"html": rules.fixed.html, "text": rules.fixed.text}.get(format)
    assert picks or content or not may, "nothing is shown, and something may be"
    if not picks and not content:
        assert call.warnings[-1] == "items: there is none that may be shown here"
    body = answer.body(call, "")
    assert body.strip() or not (may or content)
    if format == "json":
        assert len(orjson.loads(body)["items"]) == len(picks)
