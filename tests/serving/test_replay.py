"""Recorded requests are asked again with a draft, and what that foretells is what happens once it is published."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from app.core.ids import DEFAULT_TENANT
from app.data.privacy.erasing import erase
from tests.documents.test_kit import send
from tests.serving.shop import Shop
from tests.serving.test_rules import rule

Asked = Mapping[str, str]
REQUESTS: Sequence[Asked] = (
    *({"placement": "email-grid", "user_id": f"u{number}"} for number in range(24)),
    *({"placement": "home-popular", "user_id": f"u{number}", "limit": "4", "channel": "email"} for number in range(24, 30)),
    *({"placement": "cart-complement", "item_id": f"i{number}"} for number in range(8)),
    {"placement": "home-popular"},
    {"placement": "home-popular", "category": "Hats", "channel": "web"},
    {"placement": "home-popular", "exclude": "i1,i2,i3", "user_id": "nobody-knows"},
)


class Day:
    """Requests that were made and recorded."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.begins = shop, datetime.now(UTC)
        self.ends: datetime | None = None

    async def answers(self, requests: Sequence[Asked]) -> list[dict[str, Any]]:
        """Make requests, and wait until all are recorded."""
        found = [dict((await self.shop.get(**one)).json()) for one in requests]

        async def all_there() -> bool:
            rows = await self.shop.db.rows("select count(*) from serve where served_at >= :at", at=self.begins)
            return bool(rows[0][0] >= len(requests))

        assert await self.shop.until(all_there)
        return found

    async def replay(self, path: str, body: Any, asked: str = "", status: int = 200) -> dict[str, Any]:
        """Ask the requests of this day again with a draft."""
        ends = self.ends or datetime.now(UTC) + timedelta(seconds=1)
        span = f"from={quote(self.begins.isoformat())}&to={quote(ends.isoformat())}"
        answer = await send(self.shop, "POST", f"{path}/dry-run?replay=1&{span}{asked}", body)
        assert answer.status_code == status, answer.text
        return dict(answer.json())


def figures(answers: Sequence[Mapping[str, Any]]) -> tuple[int, dict[str, int], Counter[str]]:
    """Count the filled places, the answers by rung, and the answers in which each item stands."""
    shown = Counter(one["item_id"] for answer in answers for one in answer["items"])
    return shown.total(), dict(Counter(answer["source"] for answer in answers)), shown


async def test_what_a_replay_foretells_is_what_happens_when_the_draft_is_published_and_the_same_is_asked(unhurried: Shop) -> None:
    shop = unhurried
    day = Day(shop)
    # the second round is answered from lists that the first one left, as it will be after publishing
    await day.answers(REQUESTS)
    for name, body in (
        ("mail-hats", {"action": "boost", "factor": 50, "where": 'item.category = "Hats"', "when": 'request.channel = "email"'}),
        ("no-hats", {"action": "exclude", "where": 'item.category = "Hats"'}),
    ):
        day.begins = datetime.now(UTC)
        before = await day.answers(REQUESTS)
        told = await day.replay(f"rules/{name}", body)
        assert (told["answers"], told["replayed"]["recorded"], told["cut"]) == (len(REQUESTS), len(REQUESTS), False)
        await rule(shop, name, **body)
        after = [dict((await shop.get(**one)).json()) for one in REQUESTS]
        filled, rungs, shown = figures(before)
        assert (told["published"]["filled"], told["published"]["rungs"]) == (filled, rungs)
        filled_after, rungs_after, shown_after = figures(after)
        assert (told["draft"]["filled"], told["draft"]["rungs"]) == (filled_after, rungs_after)
        moved = {one["item_id"]: (one["published"], one["draft"]) for one in told["winners"] + told["losers"]}
        assert moved == {item: (shown[item], shown_after[item]) for item in moved}
        change = Counter({item: shown_after[item] - shown[item] for item in shown | shown_after})
        assert told["winners"][0]["change"] == max(change.values())
        assert -told["losers"][0]["change"] == -min(change.values())
        others = [
            {one["item_id"] for one in was["items"]} != {one["item_id"] for one in now["items"]}
            for was, now in zip(before, after, strict=True)
        ]
        assert told["changed"] == sum(others) > 0
        by_placement = Counter(asked["placement"] for asked, other in zip(REQUESTS, others, strict=True) if other)
        assert {one["placement"]: one["changed"] for one in told["placements"] if one["changed"]} == by_placement
        assert f"{sum(others)} of {len(REQUESTS)} answers would show other items" in told["sentence"]


async def test_of_a_placement_and_of_few_of_many_requests_evenly(shop: Shop) -> None:
    day = Day(shop)
    await day.answers(REQUESTS)
    published = (await send(shop, "GET", "placements/email-grid/published")).json()["placement"]
    told = await day.replay("placements/email-grid", {**published, "filter": {"categories": ["Shoes"]}}, "&most=6")
    assert (told["answers"], told["replayed"]["recorded"], told["people"], told["strangers"]) == (6, 24, 6, 0)
    assert [one["placement"] for one in told["placements"]] == ["email-grid"]
    assert told["sentence"].startswith("Asked 6 of 24 requests from ")
    new = await day.replay("placements/not-yet", {"count": 2})
    assert (new["answers"], new["replayed"]["recorded"]) == (0, 0)
    assert new["sentence"].startswith("No request to a placement that the placement touches is recorded from ")


async def test_rules_take_the_moment_of_the_request_for_the_present(shop: Shop) -> None:
    day = Day(shop)
    await day.answers(REQUESTS[:10])
    at = (datetime.now(UTC) - timedelta(days=1)).replace(hour=3, minute=30)
    await shop.db.run("update serve set served_at = :at where served_at >= :begins", at=at, begins=day.begins)
    day.begins, day.ends = at - timedelta(hours=1), at + timedelta(hours=1)
    hats = {"action": "include", "where": 'item.category = "Hats"', "placements": ["email-grid"]}
    at_night = await day.replay("rules/night", {**hats, "when": "now.hour < 5"})
    assert (at_night["acted"], at_night["answers"]) == (10, 10)
    assert (await day.replay("rules/noon", {**hats, "when": "now.hour >= 5"}))["acted"] == 0
    ended = await day.replay("rules/over", {**hats, "ends_at": (at - timedelta(minutes=1)).isoformat()})
    assert ended["acted"] == 0
    later = await day.replay("rules/later", {**hats, "starts_at": (at + timedelta(hours=2)).isoformat()})
    assert later["acted"] == 10
    assert later["notes"] == ["The rule begins later than these requests; it was tried as if it had begun."]


async def test_people_who_are_known_no_more_are_asked_as_strangers_and_campaigns_anew(shop: Shop) -> None:
    day = Day(shop)
    await day.answers([{"placement": "email-grid", "user_id": one, "send_id": "spring"} for one in ("u1", "u5", "u9")])
    await erase(shop.db, shop.settings, DEFAULT_TENANT, (1, "u5"))
    body = {"action": "exclude", "where": 'item.category = "Shirts"', "when": 'request.campaign = "spring"', "placements": ["email-grid"]}
    told = await day.replay("rules/no-shirts", body)
    assert (told["people"], told["strangers"], told["acted"]) == (3, 1, 3)
    assert told["notes"] == ["1 requests are of people who are known no more: they were asked as strangers."]
    assert told["changed"] >= 2, "pinned answers are asked anew"


async def test_what_calls_say_goes_before_what_was_recorded_and_a_span_is_checked(shop: Shop) -> None:
    day = Day(shop)
    await day.answers([{"placement": "home-popular", "channel": "web", "ctx.weather": "hot"}])
    body = {"action": "exclude", "where": 'item.category = "Hats"', "when": 'request.channel = "email" and ctx.weather = "cold"'}
    assert (await day.replay("rules/cold", body))["acted"] == 0
    assert (await day.replay("rules/cold", body, "&with=channel=email&with=ctx.weather=cold"))["acted"] == 1
    late = await send(shop, "POST", "rules/cold/dry-run?replay=1&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", body)
    assert (late.status_code, late.json()["detail"]) == (400, "`to` is after `from`, by 31 days at most.")


async def test_what_is_kept_of_a_request_names_nobody_and_holds_no_words_of_the_callers(shop: Shop) -> None:
    day = Day(shop)
    asked = {
        "placement": "home-popular", "item_id": "i1,someone@shop.example", "exclude": "i3,i2,mine", "category": "hats,nothing like it",
        "locale": "de", "channel": "a person's words", "country": "gb", "limit": "3", "empty": "blank", "ctx.mail": "someone@shop.example",
    }  # fmt: skip
    await day.answers([asked, {"placement": "home-popular", "user_id": "u1"}, {"placement": "home-popular", "limit": "12"}])
    rows = await shop.db.rows("select asked from serve where served_at >= :at order by served_at", at=day.begins)
    kept = {"item_id": "i1", "exclude": "i2,i3", "category": "Hats", "locale": "de", "country": "GB", "limit": "3", "empty": "blank"}
    assert [row[0] for row in rows] == [kept, None, None]


async def test_a_block_with_parts_is_asked_again_for_all_that_the_draft_has_room_for(shop: Shop) -> None:
    parts = [{"name": "one", "limit": 3}, {"name": "two", "limit": 2}]
    assert (await send(shop, "PUT", "placements/block", {"parts": parts})).status_code == 200
    await shop.settled()
    day = Day(shop)
    await day.answers([{"placement": "block", "user_id": "u1", "locale": "de"}])
    told = await day.replay("placements/block", {"parts": [*parts, {"name": "three", "limit": 4}]})
    assert (told["published"]["places"], told["draft"]["places"], told["draft"]["filled"]) == (5, 9, 9)
