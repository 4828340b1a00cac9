"""Narrow placements are filled from the model itself, and changes of stock and consent show at once."""

from datetime import UTC, datetime, timedelta

import numpy as np

from app.core.ids import DEFAULT_TENANT
from app.data.catalogue.service import put_items
from app.data.events.domain import Event, message_key
from app.data.kinds import Kind
from app.data.privacy import consent as people
from app.decisions.placements import service as placements
from app.decisions.placements.domain import Filter, Fixed, Placement
from tests.serving.shop import CATEGORIES, GROUPS, Shop, add_events, document


async def test_a_placement_of_six_in_a_category_of_thirty_is_filled_by_the_live_rung(shop: Shop) -> None:
    random = np.random.default_rng(3)
    bought: dict[str, set[str]] = {}
    events = []
    for person in range(100):
        user = f"heavy{person}"
        hats = random.choice(GROUPS // 4, size=int(random.integers(5, 25)), replace=False) * 4 + 2
        bought[user] = {f"i{number}" for number in hats}
        events += [
            Event(
                datetime.now(UTC) - timedelta(days=float(random.uniform(1, 90))),
                message_key(f"{user}-{number}"),
                ((1, user),),
                Kind.PURCHASE,
                item_id=f"i{number}",
                order_id=f"{user}-{number}",
            )
            for number in hats
        ]
    await add_events(shop.db, shop.settings, events)

    async def applied() -> bool:
        told = [(await shop.get(placement="home-popular", user_id=user, explain="1")).json()["explain"] for user in bought]
        return [one["bought"] for one in told] == [len(own) for own in bought.values()]

    assert await shop.until(applied)
    full = 0
    for user, own in bought.items():
        answer = (await shop.get(placement="email-grid", user_id=user, category="Hats")).json()
        shown = [item["item_id"] for item in answer["items"]]
        assert not own & set(shown)
        full += answer["source"] in ("live", "cached") and len(shown) == 6 and {i["reason"] for i in answer["items"]} == {"for_you"}
    assert full >= 99


async def test_when_fewer_are_left_the_rest_is_told(shop: Shop) -> None:
    await placements.publish(
        shop.db, DEFAULT_TENANT, "narrow", Placement(count=40, filter=Filter(categories=("Hats",), exclude_bought=True))
    )
    await shop.settled()
    answer = (await shop.get(placement="narrow", user_id="u2")).json()
    assert 20 < answer["item_count"] < 30
    assert answer["fallback_reason"] == "too_few_items"
    assert {item["category"] for item in answer["items"]} == {"Hats"}


async def test_a_stock_out_disappears_from_the_next_answer_and_from_pinned_ones(shop: Shop) -> None:
    before = (await shop.get(placement="email-grid", user_id="u1", send_id="s")).json()
    gone = before["items"][0]["item_id"]
    await put_items(shop.db, shop.settings, DEFAULT_TENANT, [{**document(int(gone[1:])), "availability": "out_of_stock"}])
    await shop.settled()
    for params in ({}, {"send_id": "s"}):
        after = (await shop.get(placement="email-grid", user_id="u1", **params)).json()
        assert gone not in [item["item_id"] for item in after["items"]]
        assert after["item_count"] == 6


async def test_a_price_change_shows_in_the_next_answer(shop: Shop) -> None:
    item = (await shop.get(placement="home-popular", limit="1")).json()["items"][0]["item_id"]
    await put_items(shop.db, shop.settings, DEFAULT_TENANT, [{**document(int(item[1:])), "price": "5 GBP"}])
    await shop.settled()
    assert (await shop.get(placement="home-popular", limit="1")).json()["items"][0]["price_formatted"] == "£5.00"


async def test_withdrawn_consent_shows_in_the_next_answer_and_in_pinned_ones(shop: Shop) -> None:
    assert (await shop.get(placement="email-grid", user_id="u1", send_id="c")).json()["fallback"] is False
    number = await people.set_consent(shop.db, shop.settings, DEFAULT_TENANT, "u1", False)
    assert await people.wait_applied(shop.db, DEFAULT_TENANT, number, 5)
    for params in ({}, {"send_id": "c"}):
        answer = (await shop.get(placement="email-grid", user_id="u1", **params)).json()
        assert (answer["source"], answer["fallback_reason"]) == ("popular", "no_consent")


async def test_one_available_variant_of_a_group_is_shown(shop: Shop) -> None:
    variants = [
        {**document(5), "id": f"i5-{size}", "item_group_id": "i5", "availability": a}
        for size, a in (("S", "out_of_stock"), ("M", "in_stock"))
    ]
    await put_items(shop.db, shop.settings, DEFAULT_TENANT, [*variants, {**document(5), "availability": "out_of_stock"}])
    await shop.settled()
    answer = (await shop.get(placement="home-popular", limit="50", category=CATEGORIES[1])).json()
    ids = [item["item_id"] for item in answer["items"]]
    assert "i5-M" in ids
    assert not {"i5", "i5-S"} & set(ids)


async def test_fixed_content_answers_when_nothing_else_can(shop: Shop) -> None:
    nothing = Filter(categories=("No such category",))
    await placements.publish(
        shop.db, DEFAULT_TENANT, "fixed", Placement(filter=nothing, count=2, fixed=Fixed(items=("i3", "i7"), html="<p>Soon</p>"))
    )
    await placements.publish(shop.db, DEFAULT_TENANT, "bare", Placement(filter=nothing, fixed=Fixed(html="<p>Soon</p>", text="Soon")))
    await shop.settled()
    answer = (await shop.get(placement="fixed", user_id="u1")).json()
    assert (answer["source"], [item["item_id"] for item in answer["items"]]) == ("fixed", ["i3", "i7"])
    assert (await shop.get("/v1/snippets/bare", user_id="u1")).text == "<p>Soon</p>"
    assert (await shop.get("/v1/snippets/bare", user_id="u1", empty="blank")).content == b""
    assert (await shop.get("/v1/snippets/bare", user_id="u1", format="text")).text == "Soon"


async def test_an_event_changes_the_next_answer_without_training(shop: Shop) -> None:
    now = datetime.now(UTC)
    visits = [Event(now, message_key(f"new-{n}"), ((2, "anon-new"),), Kind.VIEW, item_id=f"i{4 * n}") for n in range(5)]
    assert (await shop.get(placement="email-grid", anonymous_id="anon-new")).json()["fallback_reason"] == "unknown_user"
    await add_events(shop.db, shop.settings, visits)

    async def personal() -> dict[str, object] | None:
        answer = (await shop.get(placement="email-grid", anonymous_id="anon-new")).json()
        return answer if answer["source"] == "live" else None

    answer = await shop.until(personal)
    assert {item["category"] for item in answer["items"]} == {"Shoes"}


async def test_a_repeat_of_a_pinned_answer_is_the_same_until_something_behind_it_changes(shop: Shop) -> None:
    async def ask(**params: str) -> dict[str, object]:
        return dict((await shop.get(placement="email-grid", user_id="u1", send_id="r", **params)).json())

    first, second, third = await ask(), await ask(), await ask()
    assert first["items"][0]["item_id"] == third["items"][0]["item_id"]  # type: ignore[index]
    assert second["recommendation_id"] == third["recommendation_id"] == first["recommendation_id"]
    assert (await ask(locale="de"))["items"] != third["items"], "another locale is another answer"
    shown = str(third["items"][0]["item_id"])  # type: ignore[index]
    await put_items(shop.db, shop.settings, DEFAULT_TENANT, [{**document(int(shown[1:])), "title": "Renamed"}])
    await shop.settled()
    assert (await ask())["items"][0]["title"] == "Renamed"  # type: ignore[index]


async def test_a_placement_can_demand_more_confidence_than_a_short_history_gives(shop: Shop) -> None:
    await placements.publish(shop.db, DEFAULT_TENANT, "sure", Placement(least_confidence=0.6))
    visits = [Event(datetime.now(UTC), message_key(f"two-{n}"), ((1, "two-views"),), Kind.VIEW, item_id=f"i{4 * n}") for n in range(2)]
    await add_events(shop.db, shop.settings, visits)
    await shop.settled()

    async def known() -> bool:
        return (await shop.get(placement="email-grid", user_id="two-views")).json()["source"] == "live"

    assert await shop.until(known)
    unsure = (await shop.get(placement="sure", user_id="two-views")).json()
    assert (unsure["source"], unsure["fallback_reason"]) == ("segment", "low_confidence")
    assert {item["category"] for item in unsure["items"]} == {"Shoes"}
    assert (await shop.get(placement="sure", user_id="u1")).json()["fallback"] is False


async def test_fixed_items_are_shown_once_a_group(shop: Shop) -> None:
    variants = [{**document(0), "id": f"va-{size}", "item_group_id": "va"} for size in "SML"]
    await put_items(shop.db, shop.settings, DEFAULT_TENANT, [*variants, {**document(0), "id": "va-out", "availability": 0}])
    fixed = Fixed(items=("va-out", "va-S", "va-M", "gone", "va-L", "i0", "i0"))
    placement = Placement(recommender="", count=6, filter=Filter(brands=("none",)), fixed=fixed)
    await placements.publish(shop.db, DEFAULT_TENANT, "fx", placement)
    await shop.settled()
    answer = (await shop.get(placement="fx")).json()
    assert [item["item_id"] for item in answer["items"]] == ["va-S", "i0"]


async def test_a_bought_item_that_gets_a_group_is_not_shown_again(shop: Shop) -> None:
    await placements.publish(shop.db, DEFAULT_TENANT, "nb", Placement(count=50, filter=Filter(exclude_bought=True)))
    moment = datetime.now(UTC) - timedelta(hours=1)
    bought = Event(moment, message_key("solo"), ((1, "u2"),), Kind.PURCHASE, item_id="i3", order_id="solo")
    await add_events(shop.db, shop.settings, [bought])

    async def gone() -> bool:
        answer = (await shop.get(placement="nb", user_id="u2", category="Bags", limit=50)).json()
        return bool(answer["items"]) and "i3" not in [item["item_id"] for item in answer["items"]]

    assert await shop.until(gone)
    await put_items(shop.db, shop.settings, DEFAULT_TENANT, [{**document(3), "item_group_id": "solo"}])
    await shop.settled()
    assert await gone()


async def test_what_a_person_saw_and_brands_can_be_left_out(shop: Shop) -> None:
    await put_items(shop.db, shop.settings, DEFAULT_TENANT, [{**document(n), "brand": "Bold"} for n in range(0, GROUPS, 2)])
    await placements.publish(shop.db, DEFAULT_TENANT, "unseen", Placement(count=50, filter=Filter(exclude_seen=True)))
    await placements.publish(shop.db, DEFAULT_TENANT, "unbranded", Placement(count=50, filter=Filter(not_brands=("bold",))))
    await shop.settled()
    answer = (await shop.get(placement="unseen", user_id="u1", explain="1")).json()
    seen = set(answer["explain"]["history"])
    assert len(seen) > 5
    assert answer["source"] == "live"
    assert not seen & {item["item_id"] for item in answer["items"]}
    again = (await shop.get(placement="unseen", user_id="u1")).json()
    assert again["source"] == "cached"
    assert not seen & {item["item_id"] for item in again["items"]}
    assert {item["brand"] for item in (await shop.get(placement="unbranded", user_id="u1")).json()["items"]} == {"Acme"}
