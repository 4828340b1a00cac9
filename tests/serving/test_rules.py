"""Published rules act on every rung of an answer, and tell what they did."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from redis.asyncio import Redis

from app.core.ids import DEFAULT_TENANT, IdentityKind, facts_key, person_key, shown_key, state_key
from app.data.catalogue.service import put_items
from app.data.facts import packed as facts
from app.data.profiles.state_codec import pack_pointer
from app.serving.path.people_db import PeopleDatabase
from tests.documents.test_kit import send
from tests.serving.shop import CATEGORIES, Shop, document


def redis(shop: Shop) -> Redis:
    return Redis.from_url(shop.settings.redis_url)


async def rule(shop: Shop, name: str, **body: Any) -> dict[str, Any]:
    answer = await send(shop, "PUT", f"rules/{name}", body)
    assert answer.status_code == 200, answer.text
    await shop.settled()
    return dict(answer.json())


async def items(shop: Shop, **asked: Any) -> list[Mapping[str, Any]]:
    answer = await shop.get(**{"placement": "home-popular", **asked})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def ids(shop: Shop, **asked: Any) -> list[str]:
    return [one["item_id"] for one in await items(shop, **asked)]


PERSONAL = {"placement": "email-grid", "user_id": "u1"}


async def test_excluded_items_are_shown_on_no_rung(shop: Shop) -> None:
    for number, asked in enumerate(({}, PERSONAL)):
        before = await ids(shop, **asked)
        await rule(shop, f"no-more-{number}", action="exclude", items=before[:2])
        for sent in ({}, {"send_id": "s1"}):
            after = await ids(shop, **asked, **sent)
            assert not set(before[:2]) & set(after)
            assert len(after) == len(before)


async def test_only_what_a_rule_includes_is_shown_and_a_list_of_its_own_makes_it_personal(shop: Shop) -> None:
    await rule(shop, "hats", action="include", where='item.category = "hats"')
    assert {one["category"] for one in await items(shop)} == {"Hats"}
    for _ in range(2):
        answer = (await shop.get(**PERSONAL)).json()
        assert {one["category"] for one in answer["items"]} == {"Hats"}
    assert answer["source"] in ("live", "cached")
    assert answer["item_count"] == 6


async def test_a_boost_moves_items_up_and_bury_moves_them_down_or_to_the_end(shop: Shop) -> None:
    before = await ids(shop, limit="8")
    await rule(shop, "up", action="boost", items=[before[5]], factor=1000)
    assert (await ids(shop, limit="8"))[0] == before[5]
    await rule(shop, "up", action="bury", items=[before[0]])
    assert before[0] not in await ids(shop, limit="50")
    await rule(shop, "up", action="bury", items=[before[0]], factor=0.4)
    assert (await ids(shop, limit="8")).index(before[0]) in (1, 2)


async def test_a_pinned_item_stands_in_its_place_unless_it_is_out_of_stock_or_excluded(shop: Shop) -> None:
    await rule(shop, "first", action="pin", items=["i7", "i8"], place=2)
    for asked in ({}, PERSONAL):
        shown = await items(shop, **asked)
        assert [one["item_id"] for one in shown[1:3]] == ["i7", "i8"]
        assert [one["reason"] for one in shown[1:3]] == ["pinned", "pinned"]
        assert len({one["item_id"] for one in shown}) == len(shown) in (6, 12)
    await put_items(shop.db, shop.settings, DEFAULT_TENANT, [{**document(7), "availability": "out_of_stock"}])
    await rule(shop, "not-eight", action="exclude", items=["i8"])
    shown = await items(shop, **PERSONAL)
    assert not {"i7", "i8"} & {one["item_id"] for one in shown}
    assert len(shown) == 6


async def test_caps_and_shares_hold_over_the_rungs_together(shop: Shop) -> None:
    await rule(shop, "two-each", action="cap", most=2, by="category")
    for asked in ({**PERSONAL, "limit": "8"}, {"limit": "8"}):
        shown = await items(shop, **asked)
        assert Counter(one["category"] for one in shown) == dict.fromkeys(CATEGORIES, 2)
    answer = (await shop.get(**PERSONAL, limit="9")).json()
    assert answer["item_count"] == 8
    assert answer["warnings"] == ["rules: 8 of 9 items are left by two-each"]
    await send(shop, "DELETE", "rules/two-each")
    await rule(shop, "half-hats", action="share", at_least=0.5, where='item.category = "Hats"')
    await rule(shop, "few-bags", action="share", at_most=0.2, where='item.category = "Bags"')
    for asked in (PERSONAL, {"limit": "6"}):
        counts = Counter(one["category"] for one in await items(shop, **asked))
        assert counts["Hats"] >= 3
        assert counts["Bags"] <= 1
        assert counts.total() == 6


async def test_diversity_mixes_categories(shop: Shop) -> None:
    assert len({one["category"] for one in await items(shop, **PERSONAL)}) < 4
    await rule(shop, "mixed", action="diversity", by="category", relevance=0)
    assert len({one["category"] for one in await items(shop, limit="4")}) == 4


async def test_a_rule_acts_only_where_when_and_for_whom_it_says(shop: Shop) -> None:
    now = datetime.now(UTC)
    hats = {"action": "include", "where": 'item.category = "Hats"'}
    await rule(shop, "later", **hats, starts_at=(now + timedelta(hours=1)).isoformat())
    await rule(shop, "over", **hats, ends_at=(now - timedelta(hours=1)).isoformat())
    await rule(shop, "off", **hats, enabled=False)
    await rule(shop, "elsewhere", **hats, placements=["email-hero"])
    await rule(shop, "hot", **hats, when='ctx.weather = "hot" and request.channel = "email"')
    assert len({one["category"] for one in await items(shop)}) > 1
    assert {one["category"] for one in await items(shop, **{"ctx.weather": "hot", "channel": "email"})} == {"Hats"}
    assert {one["category"] for one in await items(shop, placement="email-hero")} == {"Hats"}
    await rule(shop, "later", **hats, starts_at=(now - timedelta(hours=1)).isoformat())
    assert {one["category"] for one in await items(shop)} == {"Hats"}


async def test_of_a_group_only_the_first_by_priority_that_applies_acts(shop: Shop) -> None:
    for name, word, priority, when in (
        ("bags", "Bags", 1, ""), ("hats", "Hats", 5, 'ctx.season = "summer"'), ("shoes", "Shoes", 3, 'ctx.season = "winter"'),
    ):  # fmt: skip
        await rule(shop, name, action="include", where=f'item.category = "{word}"', priority=priority, group="season", when=when)
    for season, word in (("", "Bags"), ("summer", "Hats"), ("winter", "Shoes")):
        assert {one["category"] for one in await items(shop, **{"ctx.season": season})} == {word}
    told = (await shop.get(placement="home-popular", explain="1", **{"ctx.season": "summer"})).json()["explain"]["rules"]
    why = {one["rule"]: one.get("why_not", "") for one in told}
    assert why["bags"] == "hats acts for the group season"
    assert why["shoes"].startswith("its condition does not hold: ")
    assert why["hats"] == ""


async def test_explain_tells_whom_each_rule_moved_from_where(shop: Shop) -> None:
    before = await ids(shop, limit="4")
    await rule(shop, "up", action="boost", items=[before[3]], factor=100)
    await rule(shop, "gone", action="exclude", items=[before[0]])
    told = {one["rule"]: one for one in (await shop.get(placement="home-popular", limit="4", explain="1")).json()["explain"]["rules"]}
    assert f"{before[3]} moved from 3 to 1" in told["up"]["effect"]
    assert f"{before[0]} went out from 2" in told["gone"]["effect"]
    assert told["up"]["acts"] is True


async def test_a_formula_scores_and_leaves_scores_alone_where_it_has_no_value(shop: Shop) -> None:
    await rule(shop, "dear", action="formula", formula='score * 0 + item.price * (ctx.way == "up" ? 1 : -1)')
    prices = [one["price"] for one in await items(shop, limit="5", **{"ctx.way": "up"})]
    assert prices == sorted(prices, reverse=True)
    assert prices[0] == 129.9
    prices = [one["price"] for one in await items(shop, limit="5")]
    assert prices == sorted(prices)
    await rule(shop, "dear", action="formula", formula="score / (item.price - item.price)")
    plain = await ids(shop)
    await send(shop, "DELETE", "rules/dear")
    await shop.settled()
    assert plain == await ids(shop)


async def test_a_formula_and_a_boost_order_a_kept_list_as_a_fresh_one(shop: Shop) -> None:
    await rule(shop, "score", action="formula", formula="score * (1 + 0.1 * item.price)")
    await rule(shop, "lift", action="boost", factor=1.7, where="item.price < 20")
    fresh = (await shop.get(placement="email-grid", user_id="u9")).json()
    assert fresh["source"] == "live"

    async def kept() -> Any:
        answer = (await shop.get(placement="email-grid", user_id="u9")).json()
        return answer if answer["source"] == "cached" else None

    again = await shop.until(kept)
    assert [one["item_id"] for one in again["items"]] == [one["item_id"] for one in fresh["items"]]


async def test_the_objective_of_a_placement_orders_by_what_an_item_brings(shop: Shop) -> None:
    await send(shop, "PUT", "placements/money", {"recommender": "", "objective": "revenue", "count": 10})
    await send(shop, "PUT", "placements/clicks", {"recommender": "", "count": 10})
    await shop.settled()
    money, clicks = await items(shop, placement="money"), await items(shop, placement="clicks")
    assert sum(one["price"] for one in money) > sum(one["price"] for one in clicks)
    worth = [one["price"] / place for place, one in enumerate(clicks, 1)]
    assert money[0]["item_id"] == clicks[worth.index(max(worth))]["item_id"]


async def test_another_recommender_answers_where_a_rule_says_so(shop: Shop) -> None:
    await send(shop, "PUT", "placements/unsaid", {"recommender": "als", "count": 4})
    await rule(shop, "swap", action="recommender", recommender="personal", placements=["unsaid"])
    for _ in range(2):
        answer = (await shop.get(placement="unsaid", user_id="u2")).json()
        assert (answer["source"] in ("live", "cached"), answer["model"]) == (True, "personal")
    await rule(shop, "swap", action="recommender", recommender="personal", fallback=True, placements=["unsaid"], when='ctx.a = "b"')
    assert (await shop.get(placement="unsaid", user_id="u2")).json()["model"] == ""
    for _ in range(2):
        assert (await shop.get(placement="unsaid", user_id="u2", **{"ctx.a": "b"})).json()["model"] == "personal"


async def test_what_was_bought_is_hidden_but_for_what_is_bought_again_and_again(shop: Shop) -> None:
    await send(shop, "PUT", "placements/all", {"count": 50})
    await shop.settled()
    shown = await items(shop, placement="all", user_id="u1")
    bought = [one["item_id"] for one in shown if one["reason"] == "bought_before"]
    assert len(bought) > 1
    await rule(shop, "again", action="bought", where=f'item.id != "{bought[0]}"')
    left = await ids(shop, placement="all", user_id="u1")
    assert bought[0] in left
    assert not set(bought[1:]) & set(left)
    await rule(shop, "again", action="bought", days=1, where='item.id != "none"')
    assert len(set(bought) & set(await ids(shop, placement="all", user_id="u1"))) > 1, "bought longer ago"


async def test_rules_that_leave_nothing_give_way_before_a_block_stays_empty_but_what_is_excluded_stays_away(shop: Shop) -> None:
    await rule(shop, "none", action="include", where="item.price > 100000")
    await rule(shop, "no-hats", action="exclude", where='item.category = "Hats"')
    answer = (await shop.get(**PERSONAL)).json()
    assert answer["item_count"] == 6
    assert "Hats" not in {one["category"] for one in answer["items"]}
    assert answer["warnings"] == ["rules: they leave nothing to show; not applied: no-hats, none"]
    assert (await shop.get(**PERSONAL, empty="blank")).json()["items"] == []


async def test_what_a_rule_adds_comes_in_beside_the_filter(shop: Shop) -> None:
    await send(shop, "PUT", "placements/hats", {"count": 50, "filter": {"categories": ["Hats"]}})
    await rule(shop, "and-bags", action="include", add=True, items=["i3", "i7"], placements=["hats"])
    for asked in ({"user_id": "u1"}, {}):
        shown = await items(shop, placement="hats", **asked)
        assert {one["item_id"] for one in shown if one["category"] != "Hats"} == {"i3", "i7"}


async def test_a_pinned_answer_stays_as_it_was_whatever_rules_come(shop: Shop) -> None:
    before = await ids(shop, **PERSONAL, send_id="mail")
    await rule(shop, "gone", action="exclude", items=before[:1])
    await rule(shop, "first", action="pin", items=["i9"])
    assert await ids(shop, **PERSONAL, send_id="mail") == before
    assert before[0] not in await ids(shop, **PERSONAL, send_id="other")


async def test_context_pins_apart_and_what_is_no_context_is_told(shop: Shop) -> None:
    await rule(shop, "hot", action="include", where='item.category = "Hats"', when='ctx.weather = "hot"')
    asked = {**PERSONAL, "send_id": "weather"}
    cold, hot = await ids(shop, **asked, **{"ctx.weather": "cold"}), await ids(shop, **asked, **{"ctx.weather": "hot"})
    assert cold != hot
    body = {**asked, "ctx": {"weather": "hot"}}
    posted = await shop.http.post("/v1/recommendations", json=body, headers={"X-Api-Key": shop.key})
    assert [one["item_id"] for one in posted.json()["items"]] == hot
    warned = (await shop.get(**PERSONAL, **{"ctx.": "x", "contxt": "y", "country": "Germany"})).json()["warnings"]
    assert any(one.startswith("ctx: write") for one in warned)
    assert any("is no parameter" in one for one in warned)
    assert "country: must be two letters, such as GB" in warned


NEVER: tuple[tuple[Any, str, str], ...] = (
    ({"action": "boost", "factor": 2}, "where", "needs `items` or `where`"),
    ({"action": "boost", "items": ["i1"]}, "factor", "boost needs it"),
    ({"action": "boost", "items": ["i1"], "factor": 0.5}, "factor", "bury moves down"),
    ({"action": "pin", "items": ["i1"], "where": "item.price > 1"}, "where", "pin does not take it"),
    ({"action": "exclude", "where": "item.prize > 3"}, "where", "did you mean item.price?"),
    ({"action": "exclude", "where": "orders.30d > 3"}, "where", "names nothing of an item"),
    ({"action": "exclude", "items": ["i1"], "when": "item.price > 3"}, "when", "is of the item"),
    ({"action": "share", "items": ["i1"], "at_least": 0.9, "at_most": 0.1}, "at_least", "above at_most"),
    ({"action": "share", "items": ["i1"]}, "at_least", "share needs"),
    ({"action": "formula", "formula": "score +"}, "formula", ""),
    ({"action": "recommender", "recommender": "persnal"}, "recommender", "did you mean personal?"),
    ({"action": "explode"}, "action", ""),
    ({"action": "exclude", "where": " and ".join(["item.price > 1"] * 5000)}, "where", ""),
    ({"action": "exclude", "where": {"all": ["item.price > 1"] * 5000}}, "where", "more than 1,000 parts"),
    ({"action": "exclude", "where": "(" * 500 + "item.price > 1" + ")" * 500}, "where", "nested deeper"),
    ({"action": "exclude", "items": ["i1"], "starts_at": "2026-02-01T00:00Z", "ends_at": "2026-01-01T00:00Z"}, "ends_at", "never acts"),
)  # fmt: skip


async def test_what_can_never_work_is_refused_with_a_sentence(shop: Shop) -> None:
    for body, field, says in NEVER:
        refused = await send(shop, "PUT", "rules/bad", body)
        assert refused.status_code == 422, refused.text
        told = {one["field"].partition(".")[0]: one["message"] for one in refused.json()["errors"]}
        assert field in told, told
        assert says in told[field], told


async def test_what_does_not_work_now_is_told(shop: Shop) -> None:
    made = await rule(shop, "odd", action="exclude", items=["i1", "nothing"], placements=["emial-grid"], ends_at="2020-01-01T00:00:00Z")
    told = {one["field"]: one["message"] for one in made["findings"]}
    assert told["items"] == "the catalogue has no item nothing"
    assert told["placements"] == "there is no placement emial-grid; did you mean email-grid?"
    assert told["ends_at"] == "has passed, so it acts no more"
    assert (await rule(shop, "odd", action="exclude", where="item.price > 3"))["findings"][0][
        "message"
    ] == "The item's price is more than 3."


async def test_formulas_that_divide_by_zero_overflow_or_read_what_nobody_knows_never_fail_an_answer(shop: Shop) -> None:
    plain = await ids(shop)
    for formula in (
        "score / 0",
        "exp(exp(exp(item.price)))",
        "score * item.margin",
        "score + ctx.nothing",
        "sqrt(0 - item.price)",
        "item.rating",
    ):
        await rule(shop, "f", action="formula", formula=formula)
        assert await ids(shop) == plain, formula


async def test_rules_of_the_command_line_and_roll_back_come_from_the_kit(shop: Shop) -> None:
    await rule(shop, "one", action="exclude", items=["i1"])
    await rule(shop, "one", action="exclude", items=["i2"])
    back = (await send(shop, "POST", "rules/one/rollback")).json()
    assert (back["version"], back["rule"]["items"]) == (1, ["i1"])
    assert (await send(shop, "DELETE", "rules/one")).status_code == 204
    assert (await send(shop, "GET", "rules")).json()["rules"] == []


async def test_rules_read_the_facts_of_the_person_also_where_ids_were_linked(shop: Shop) -> None:
    by = "item.price <= trait.budget"
    await rule(shop, "budget", action="exclude", where=f"not ({by})", when="trait.budget > 0")
    await rule(shop, "vip", action="pin", items=["i9"], when='trait.tier = "gold"', placements=["email-grid"])
    assert (await ids(shop, **PERSONAL))[0] != "i9"
    key = person_key(DEFAULT_TENANT, IdentityKind.USER_ID, "u1")
    packed = facts.pack(b"", facts.Unpacked({}, [], [], more={"t": {"budget": 40, "tier": "gold"}}))
    async with redis(shop) as cache:
        await cache.set(facts_key(DEFAULT_TENANT, key), packed)
        shown = await items(shop, **PERSONAL)
        assert shown[0]["item_id"] == "i9"
        assert len(shown) == 6
        assert max(one["price"] for one in shown[1:]) <= 40
        told = (await shop.get(**PERSONAL, explain="1")).json()["explain"]["rules"]
        assert [one["acts"] for one in told] == [True, True]
        other = person_key(DEFAULT_TENANT, IdentityKind.USER_ID, "alias")
        await cache.set(state_key(DEFAULT_TENANT, other), pack_pointer(key, 1))
        assert (await ids(shop, placement="email-grid", user_id="alias"))[0] == "i9"
    assert (await ids(shop, placement="email-grid", user_id="u2"))[0] != "i9"


async def test_rules_read_what_people_did_as_redis_and_postgresql_hold_it(shop: Shop) -> None:
    await rule(shop, "buyers", action="pin", items=["i9"], when="purchases.90d > 0 and orders.365d < 1000")

    async def first(user: str) -> bool:
        return (await ids(shop, placement="email-grid", user_id=user))[0] == "i9"

    assert await shop.until(lambda: first("u1"))
    assert not await first("nobody")
    state = await PeopleDatabase(shop.db, 2000).state(DEFAULT_TENANT, person_key(DEFAULT_TENANT, IdentityKind.USER_ID, "u1"))
    assert state is not None
    assert facts.read(state.facts) is not None


async def test_nobody_is_shown_an_item_twice_within_the_days_across_slots_and_sends(shop: Shop) -> None:
    await send(shop, "PUT", "placements/second", {"count": 4})
    await rule(shop, "once", action="no_repeat", days=7, placements=["email-grid", "second"])
    seen: list[str] = []
    for number in range(9):
        for placement in ("email-grid", "second"):
            asked = {"placement": placement, "user_id": "u1", "send_id": f"mail-{number}"}
            shown = await ids(shop, **asked)
            assert await ids(shop, **asked) == shown, "a retry shows the same"
            assert len(shown) == (6 if placement == "email-grid" else 4)
            seen += shown
    assert len(set(seen)) == len(seen) == 90
    assert len(set(await ids(shop, **PERSONAL, explain="1")) & set(seen)) == 0
    stranger = [await ids(shop, placement="second", user_id="who") for _ in range(3)]
    assert len({one for shown in stranger for one in shown}) == 12
    assert await ids(shop, placement="second") == await ids(shop, placement="second"), "nobody is named"
    async with redis(shop) as cache:
        key = shown_key(DEFAULT_TENANT, person_key(DEFAULT_TENANT, IdentityKind.USER_ID, "u1"))
        assert 0 < await cache.ttl(key) <= 7 * 86_400
        await cache.delete(key)
    assert set(await ids(shop, **PERSONAL)) & set(seen), "what Redis lost is not known"


async def test_what_was_shown_some_times_without_a_click_comes_no_more(shop: Shop) -> None:
    await rule(shop, "tired", action="no_repeat", days=7, impressions=2, placements=["email-grid"])
    asked = {"placement": "email-grid", "user_id": "new"}
    first, second, third = [await ids(shop, **asked) for _ in range(3)]
    assert first == second
    assert not set(first) & set(third)


async def test_a_block_shows_items_again_before_it_stays_empty(shop: Shop) -> None:
    await send(shop, "PUT", "placements/few", {"count": 30, "filter": {"categories": ["Hats"]}})
    await rule(shop, "once", action="no_repeat", days=7, placements=["few"])
    assert len(await ids(shop, placement="few", user_id="u1")) == 30
    answer = (await shop.get(placement="few", user_id="u1")).json()
    assert answer["item_count"] == 30
