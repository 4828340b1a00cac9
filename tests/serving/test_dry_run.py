"""A dry run tells what a draft would change for real people, and changes nothing."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from redis.asyncio import Redis

from app.access.domain import EVERYTHING, ClientKind, Principal
from app.core.ids import DEFAULT_TENANT
from app.data.people.everyone import spread
from app.plugins import document_kind
from app.serving.dry_run.asking import Ask, Going, drafted
from app.serving.dry_run.report import Answer, Tried, report
from app.serving.dry_run.told import Run
from tests.documents.test_kit import send
from tests.serving.shop import Shop
from tests.serving.test_rules import ids, items, rule

HATS = {"action": "include", "where": 'item.category = "Hats"'}


async def dry(shop: Shop, path: str, body: Any, asked: str = "", status: int = 200) -> dict[str, Any]:
    answer = await send(shop, "POST", f"{path}/dry-run?people=20{asked}", body)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def test_a_draft_of_a_rule_is_tried_on_people_from_all_over_and_a_stranger(shop: Shop) -> None:
    told = await dry(shop, "rules/no-hats", {"action": "exclude", "where": 'item.category = "Hats"', "placements": ["email-grid"]})
    assert (told["people"], told["strangers"], told["answers"], told["cut"]) == (21, 1, 21, False)
    assert told["places"] == told["published"]["filled"] == told["draft"]["filled"] == 21 * 6
    assert told["acted"] == 21
    # people like one category each, and the sample goes over all of them
    shown = [await items(shop, placement="email-grid", user_id=one.value) for one in await spread(shop.db, DEFAULT_TENANT, 20)]
    shown.append(await items(shop, placement="email-grid"))
    with_hats = [some for some in shown if any(one["category"] == "Hats" for one in some)]
    assert 0 < len(with_hats) < 21
    assert told["changed_people"] == len(with_hats)
    hats = Counter(one["item_id"] for some in shown for one in some if one["category"] == "Hats")
    best = min(hats.items(), key=lambda one: (-one[1], one[0]))
    assert told["losers"][0]["change"] == -best[1]
    assert {one["item_id"] for one in told["losers"] if one["draft"] == 0} <= set(hats)
    assert all(one["title"] == f"Item {one['item_id'][1:]}" for one in told["losers"] + told["winners"])
    assert f"{len(with_hats)} of 21 would see other items" in told["sentence"]


async def test_what_a_dry_run_foretells_is_what_people_get_after_publishing(shop: Shop) -> None:
    body = {**HATS, "placements": ["email-grid"]}
    told = await dry(shop, "rules/hats", body)
    await rule(shop, "hats", **body)
    after = [await items(shop, placement="email-grid", user_id=one.value) for one in await spread(shop.db, DEFAULT_TENANT, 20)]
    after.append(await items(shop, placement="email-grid"))
    counts = Counter(one["item_id"] for some in after for one in some)
    assert told["draft"]["filled"] == counts.total()
    assert {one["item_id"]: one["draft"] for one in told["winners"]} == {one["item_id"]: counts[one["item_id"]] for one in told["winners"]}
    again = await dry(shop, "rules/hats", {})
    assert (again["changed_people"], again["winners"], again["losers"]) == (0, [], [])
    assert again["sentence"].endswith("Nobody would see other items. All places stay filled.")


async def test_nothing_is_recorded_or_written_and_people_keep_what_they_get(shop: Shop) -> None:
    before = await ids(shop, placement="email-grid", user_id="u1")
    redis = Redis.from_url(shop.settings.redis_url)

    async def keys() -> set[bytes]:
        # but for those that count how often a client calls
        return {key async for key in redis.scan_iter("*") if b":la:" not in key}

    known = await keys()
    await dry(shop, "rules/hats", {**HATS, "placements": []})
    await dry(shop, "rules/seen", {"action": "no_repeat", "days": 3})
    assert await keys() <= known
    # the answer above is recorded like every real one
    recorded = "select placement.name from serve join placement on placement.placement_no = serve.placement_no"
    assert await shop.until(lambda: shop.db.rows(recorded))
    assert {row.name for row in await shop.db.rows(recorded)} == {"email-grid"}
    assert await ids(shop, placement="email-grid", user_id="u1") == before
    assert (await send(shop, "GET", "rules")).json() == {"rules": []}
    await redis.aclose()


async def test_a_rule_that_leaves_lists_short_is_named_with_the_places_it_empties(shop: Shop) -> None:
    told = await dry(shop, "rules/few", {"action": "include", "items": ["i1", "i2"], "placements": ["home-popular"]})
    assert told["short"] == [{"rules": ["few"], "answers": 21, "places": 21 * 10}]
    assert told["draft"]["filled"] == 21 * 2
    assert told["placements"][0]["short"] == told["short"]
    assert f"42 of {21 * 12} places would be filled; now it is {21 * 12}." in told["sentence"]


async def test_an_order_that_changes_alone_is_told_apart(shop: Shop) -> None:
    shown = await ids(shop)
    told = await dry(shop, "rules/up", {"action": "pin", "items": [shown[5]], "placements": ["home-popular"]})
    assert (told["changed_people"], told["reordered_people"], told["changed_share"]) == (0, 21, 0)
    assert "21 would see the same in another order." in told["sentence"]


async def test_calls_are_made_as_somebody_asks_and_later_rules_as_if_they_had_begun(shop: Shop) -> None:
    hot = {**HATS, "when": 'ctx.weather = "hot"', "placements": ["home-popular"]}
    told = await dry(shop, "rules/hot", hot)
    assert told["acted"] == 0
    assert "The rule acted in no answer. Nobody would see other items." in told["sentence"]
    assert (await dry(shop, "rules/hot", hot, "&with=ctx.weather=hot"))["acted"] == 21
    refused = await dry(shop, "rules/hot", hot, "&with=campaign=spring", 400)
    assert (
        refused["detail"] == "campaign=spring: write NAME=VALUE; calls of a dry run take channel, country, locale, category and ctx.<name>."
    )
    later = {**HATS, "placements": ["home-popular"], "starts_at": (datetime.now(UTC) + timedelta(days=2)).isoformat()}
    told = await dry(shop, "rules/later", later)
    assert told["acted"] == 21
    assert told["notes"] == ["The rule begins later; it was tried as if it had begun."]


async def test_a_draft_of_a_placement_is_tried_and_one_that_cannot_be_used_is_refused(shop: Shop) -> None:
    published = (await send(shop, "GET", "placements/email-grid/published")).json()["placement"]
    told = await dry(shop, "placements/email-grid", {**published, "filter": {"categories": ["Shoes"]}})
    assert [one["placement"] for one in told["placements"]] == ["email-grid"]
    assert 0 < told["changed_people"] <= 21
    assert all(int(one["item_id"][1:]) % 4 == 0 for one in told["winners"])
    fewer = await dry(shop, "placements/email-grid", {**published, "count": 2})
    assert (fewer["published"]["places"], fewer["published"]["filled"], fewer["draft"]["places"]) == (21 * 6, 21 * 6, 21 * 2)
    assert "42 of 42 places would be filled; now it is 126 of 126." in fewer["sentence"]
    same = await dry(shop, "placements/email-grid", {})
    assert (same["changed_people"], same["reordered_people"]) == (0, 0)
    refused = await dry(shop, "rules/wrong", {"action": "boost", "where": "item.colour = 3"}, status=422)
    assert {one["field"] for one in refused["errors"]} == {"factor", "where"}
    assert (await dry(shop, "rules/never", {}, status=404))["code"] == "not_found"


async def test_a_placement_that_starts_from_an_item_is_tried_on_pages_of_popular_items(shop: Shop) -> None:
    told = await dry(shop, "rules/hats", {**HATS, "placements": ["cart-complement"]})
    assert told["published"]["personal"] > 0
    assert told["changed_people"] > 0


async def test_when_time_runs_out_it_is_told_of_how_many(shop: Shop) -> None:
    caller = Principal(DEFAULT_TENANT, 0, "test", ClientKind.SERVICE, EVERYTHING, "", "popular")
    draft = await drafted(shop.db, document_kind("rules"), DEFAULT_TENANT, "hats", HATS, None)
    told = await shop.app.state.dry_runs.run(shop.db, caller, draft, Ask(people=50), Going(seconds=0))
    assert (told.people, told.cut) == (1, True)
    assert told.sentence.endswith("Time ran out before everybody was tried.")


def test_figures_are_counted_from_pairs_of_answers() -> None:
    def answer(*shown: int, rung: str = "live", **more: Any) -> Answer:
        return Answer(shown, 4, rung, rung == "live", **more)

    tried = [
        Tried(0, "a", answer(1, 2, 3, 4), answer(1, 2, 3, 5, acted=True)),
        Tried(0, "b", answer(1, 2, 3, 4), answer(2, 1, 3, 4, acted=True)),
        Tried(1, "a", answer(1, 2, 3, 4), answer(4, 3, 2, 1, acted=True)),
        Tried(1, "b", answer(1, 2, 3, 4, rung="popular"), answer(1, 2, 3, 4, rung="popular")),
        Tried(2, "a", answer(1, 2, 3, 4), answer(5, 6, rung="popular", acted=True, emptied=("x", "y"), short=True)),
    ]
    told = report(Run("rule", "x", tried, 1, False, 0.5), lambda item: (f"i{item}", f"Item {item}"))
    assert (told.people, told.answers, told.changed_people, told.reordered_people, told.acted) == (3, 5, 2, 1, 4)
    assert told.changed_share == round((1 / 4 + 1) / 2, 4)
    assert (told.published.rungs, told.draft.rungs) == ({"live": 4, "popular": 1}, {"live": 3, "popular": 2})
    assert (told.published.filled, told.draft.filled, told.places, told.draft.personal) == (20, 18, 20, 3)
    assert [(one.rules, one.answers, one.places) for one in told.short] == [(["x", "y"], 1, 2)]
    assert [(one.item_id, one.published, one.draft, one.change) for one in told.winners] == [("i5", 0, 2, 2), ("i6", 0, 1, 1)]
    assert [(one.item_id, one.change) for one in told.losers] == [("i4", -2), ("i3", -1), ("i2", -1), ("i1", -1)]
    assert [(one.placement, one.changed, one.reordered) for one in told.placements] == [("a", 2, 1), ("b", 0, 1)]
    assert told.sentence == (
        "Tried on 2 people and a stranger in 2 placements. 2 of 3 would see other items: 62% of each answer that changes is new. "
        "1 would see the same in another order. 18 of 20 places would be filled; now it is 20."
    )
