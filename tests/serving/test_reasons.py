"""An item says why it is there, and popularity does not pass for a person's own taste."""

import numpy as np

from app.core.ids import DEFAULT_TENANT
from app.ml import contract
from app.serving.model.outcome import ItemReason, Reason
from tests.serving.shop import Shop


async def test_what_popularity_brought_says_so_live_and_from_the_cache(shop: Shop) -> None:
    catalogue = shop.app.state.server.holder.current[DEFAULT_TENANT].catalogue
    loaded = shop.app.state.server.holder.current[DEFAULT_TENANT].models["personal"].loaded
    item, score = loaded.score_top(loaded.assemble([contract.history()]), 20)
    assert {int(loaded.rows[row]) for row in item[0][np.isfinite(score[0]) & (score[0] > 0)]} <= set(loaded.popular_below)
    # one taste has 30 items, so the last of 50 are what everybody gets
    for source in ("live", "cached"):
        answer = (await shop.get(placement="email-grid", user_id="u1", limit="50", category="Shirts,Hats")).json()
        assert answer["source"] == source
        told = {item["item_id"]: item["reason"] for item in answer["items"]}
        own = [told[item["item_id"]] for item in answer["items"][:5]]
        assert own == ["for_you"] * 5
        for one in answer["items"]:
            number = int(catalogue.group_no[catalogue.group[catalogue.index_of[one["item_id"]]]])
            if number in loaded.popular_below and one["reason"] in ("popular", "for_you") and one["score"] > 0:
                assert (one["reason"] == "popular") == (one["score"] <= loaded.popular_below[number] * 1.001)
        assert "popular" in {one["reason"] for one in answer["items"] if one["category"] == "Hats"}


def test_words_keep_the_numbers_that_pins_and_records_hold() -> None:
    numbers = {word.value: word.number for word in Reason}
    assert numbers == {
        "": 0, "no_user": 1, "unknown_user": 2, "no_consent": 3, "low_confidence": 4, "too_few_items": 5, "deadline": 6, "model_missing": 7,
        "model_error": 8, "cache_down": 9, "database_down": 10, "rate_limited": 11, "overload": 12, "unknown_placement": 13,
        "database_slow": 14,
    }  # fmt: skip
    assert [(word.value, word.number) for word in ItemReason] == [
        ("for_you", 0), ("bought_before", 1), ("goes_with", 2), ("popular", 3), ("popular_in_category", 4), ("popular_in_country", 5),
        ("fixed", 6), ("pinned", 7), ("popular_in_segment", 8), ("new", 9),
    ]  # fmt: skip
