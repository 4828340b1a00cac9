"""An answer never waits longer than the placement allows: the last good list, then popular items of the person's category."""

import time
from datetime import UTC, datetime

from app.core.ids import DEFAULT_TENANT
from app.data.events.domain import Event, message_key
from app.data.kinds import Kind
from app.decisions.placements import service as placements
from app.decisions.placements.domain import Placement
from tests.serving.shop import Shop, add_events


def busy(shop: Shop, seconds: float) -> None:
    """Keep the only scoring thread busy, as a slow model would."""
    shop.app.state.ranker._scorer._pool.submit(time.sleep, seconds)


async def test_a_late_score_gives_the_category_and_is_there_for_the_next_answer(shop: Shop) -> None:
    await placements.publish(shop.db, DEFAULT_TENANT, "quick", Placement(deadline_ms=60))
    await shop.settled()
    busy(shop, 0.5)
    began = time.monotonic()
    answer = (await shop.get(placement="quick", user_id="u1")).json()
    assert time.monotonic() - began < 0.3
    assert (answer["source"], answer["fallback_reason"], answer["item_count"]) == ("segment", "deadline", 6)
    assert {item["category"] for item in answer["items"]} == {"Shirts"}

    async def cached() -> bool:
        return (await shop.get(placement="quick", user_id="u1")).json()["source"] == "cached"

    assert await shop.until(cached), "the late score was kept"


async def test_a_list_of_an_older_history_stands_in_while_scoring_is_late(shop: Shop) -> None:
    await placements.publish(shop.db, DEFAULT_TENANT, "quick", Placement(deadline_ms=60))
    await shop.settled()

    async def cached() -> bool:
        return (await shop.get(placement="quick", user_id="u1", explain="1")).json()["source"] == "cached"

    assert await shop.until(cached)
    seq = (await shop.get(placement="quick", user_id="u1", explain="1")).json()["explain"]["state_seq"]
    await add_events(shop.db, shop.settings, [Event(datetime.now(UTC), message_key("new"), ((1, "u1"),), Kind.VIEW, item_id="i8")])

    async def moved() -> bool:
        busy(shop, 0.3)
        return bool((await shop.get(placement="home-popular", user_id="u1", explain="1")).json()["explain"]["state_seq"] > seq)

    assert await shop.until(moved)
    busy(shop, 0.5)
    answer = (await shop.get(placement="quick", user_id="u1")).json()
    assert (answer["source"], answer["fallback"], answer["fallback_reason"]) == ("stale", True, "deadline")
    assert answer["item_count"] == 6


async def test_more_requests_than_can_be_scored_get_popular_items_and_no_error(shop: Shop) -> None:
    import asyncio

    busy(shop, 1.5)
    answers = await asyncio.gather(*(shop.get(placement="email-hero", user_id=f"u{n % 160}", category="Hats") for n in range(700)))
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["item_count"] for answer in answers} == {1}
    assert {answer.json()["fallback_reason"] for answer in answers} <= {"overload", "deadline", ""}
