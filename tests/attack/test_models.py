"""Models that err, and lists that many read: nobody is left without an answer, nobody sees what another one bought."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from app.core.ids import DEFAULT_TENANT
from app.decisions.placements import service as placements
from app.decisions.placements.domain import Filter, Placement
from tests.serving.shop import Shop

SHARED = Placement(recommender="item_to_item", anchor="item", filter=Filter(exclude_bought=True), count=6, deadline_ms=2000)


async def shown(shop: Shop, **params: str) -> tuple[str, list[str]]:
    answer = (await shop.get(placement="pdp-attack", item_id="i1", **params)).json()
    return answer["source"], [item["item_id"] for item in answer["items"]]


async def test_what_one_buyer_must_not_see_again_stays_in_the_list_that_all_others_read(shop: Shop) -> None:
    await placements.publish(shop.db, DEFAULT_TENANT, "pdp-attack", SHARED)
    await shop.settled()
    source, expected = await shown(shop)
    assert source == "live"
    buyers = {number: (await shop.get(placement="home-popular", user_id=f"u{number}", explain="1")).json() for number in range(12)}
    for number in (number for number, answer in buyers.items() if answer["explain"]["bought"]):
        await clear_lists(shop)
        first = (await shown(shop, user_id=f"u{number}"))[1]
        _, bare = await shown(shop)
        assert bare == expected, f"u{number} shaped what a stranger sees: {first}"
        assert (await shown(shop, user_id="u11"))[0] == "cached"


async def test_a_buyer_of_nearly_all_of_a_shared_list_still_gets_a_full_answer_without_what_they_bought(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shop.app.state.server.pipeline._ladder._scoring, "_candidates", 8)
    await placements.publish(shop.db, DEFAULT_TENANT, "pdp-attack", SHARED)
    await shop.settled()
    await shown(shop)
    source, stranger = await shown(shop)
    assert source == "cached"
    for number in range(1, 40, 4):  # they like what the page shows
        _, own = await shown(shop, user_id=f"u{number}")
        assert len(own) == 6
        assert (await shown(shop)) == ("cached", stranger)


async def clear_lists(shop: Shop) -> None:
    from app.core.redis import connect

    client = connect(shop.settings.redis_url, timeout_ms=2000)
    async for key in client.scan_iter(match="m:*}:c:*"):
        await client.delete(key)
    await client.aclose()


def rows_out_of_range(rows: Any, scores: Any) -> tuple[Any, Any]:
    return rows + 10**6, scores


def negative_rows(rows: Any, scores: Any) -> tuple[Any, Any]:
    return rows - 10**6, scores


def a_nan_on_top(rows: Any, scores: Any) -> tuple[Any, Any]:
    changed = np.array(scores)
    changed[:, 0] = np.nan
    return rows, changed


def infinite(rows: Any, scores: Any) -> tuple[Any, Any]:
    return rows, np.where(np.arange(scores.shape[1]) < 3, np.inf, scores).astype(np.float32)


def all_nan(rows: Any, scores: Any) -> tuple[Any, Any]:
    return rows, np.full_like(scores, np.nan)


def too_few_people(rows: Any, scores: Any) -> tuple[Any, Any]:
    return rows[:0], scores[:0]


def of_one_dimension(rows: Any, scores: Any) -> tuple[Any, Any]:
    return rows[0], scores[0]


def nothing(rows: Any, scores: Any) -> tuple[Any, Any]:
    return None, None


@pytest.mark.parametrize(
    "err", [rows_out_of_range, negative_rows, a_nan_on_top, infinite, all_nan, too_few_people, of_one_dimension, nothing]
)
async def test_a_model_that_errs_on_real_histories_leaves_no_call_of_its_batch_unanswered(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, err: Callable[[Any, Any], tuple[Any, Any]]
) -> None:
    loaded = shop.app.state.server.holder.current[DEFAULT_TENANT].models["personal"].loaded
    sound = loaded.score_top
    monkeypatch.setattr(loaded, "score_top", lambda *values, **named: err(*sound(*values, **named)))
    monkeypatch.setattr(shop.app.state.settings, "deadline_ms", 2000)
    await clear_lists(shop)
    async with asyncio.timeout(20):
        answers = await asyncio.gather(*(shop.get(placement="email-grid", user_id=f"u{n}") for n in range(2, 60)))
    seen = set()
    for answer in answers:
        assert answer.status_code == 200
        document = json.loads(answer.content, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
        assert document["item_count"] == 6
        assert all(np.isfinite(item["score"]) for item in document["items"])
        seen.add((document["source"] in ("live", "cached"), document["fallback_reason"]))
    expected = {(True, "")} if err in (a_nan_on_top, infinite) else {(False, "model_error")}
    assert seen == expected


async def test_ranking_with_a_model_that_errs_is_by_popularity(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = shop.app.state.server.holder.current[DEFAULT_TENANT].models["personal"].loaded
    for wrong in (np.full((1, 3), np.nan, np.float32), np.zeros((1, 1), np.float32), np.zeros((0, 3), np.float32)):
        monkeypatch.setattr(loaded, "score_rank", lambda batch, rows, wrong=wrong: wrong)
        answer = await shop.http.post("/v1/rank", json={"user_id": "u1", "items": ["i1", "i2", "i3"]}, headers={"X-Api-Key": shop.key})
        assert answer.status_code == 200
        assert (answer.json()["source"], answer.json()["fallback_reason"]) == ("popular", "model_error")
