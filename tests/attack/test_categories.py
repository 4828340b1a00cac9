"""Made-up words cost a server and its Redis nothing that stays."""

from typing import Any

import numpy as np

from app.core.ids import DEFAULT_TENANT
from app.core.redis import connect
from app.decisions.placements import service as placements
from app.decisions.placements.domain import Filter, Placement
from app.serving.path import repeats
from app.serving.path.repeats import Finished
from app.serving.snapshot import catalogue as catalogues
from app.serving.snapshot import live
from tests.serving.shop import Shop


async def lists(shop: Shop) -> dict[bytes, int]:
    client = connect(shop.settings.redis_url, timeout_ms=2000)
    found = {key: await client.ttl(key) async for key in client.scan_iter(match="m:*}:c:*")}
    await client.aclose()
    return found


async def test_made_up_categories_make_no_masks_and_no_lists_and_known_ones_are_answered_as_before(shop: Shop) -> None:
    snapshot = shop.app.state.server.holder.current[DEFAULT_TENANT]
    for number in range(9):
        await shop.get(placement="email-grid", user_id=f"u{number}")
    masks, rows, before = len(snapshot.catalogue._masks), len(snapshot.models["personal"].keys), await lists(shop)
    for number in range(100):
        answer = (await shop.get(placement="email-grid", user_id=f"u{number % 9}", category=f"Made up {number}", explain="1")).json()
        assert (answer["item_count"], answer["fallback_reason"]) == (6, "too_few_items")
        assert answer["warnings"] == [f"category: no item is of Made up {number}"]
    assert (len(snapshot.catalogue._masks), len(snapshot.models["personal"].keys)) == (masks, rows)
    assert set(await lists(shop)) <= set(before)
    hats = (await shop.get(placement="email-grid", user_id="u1", category="Hats")).json()
    assert {item["category"] for item in hats["items"]} == {"Hats"}


async def test_a_category_below_that_of_a_placement_narrows_it_or_is_told_and_so_is_one_beside_it(shop: Shop) -> None:
    await placements.publish(shop.db, DEFAULT_TENANT, "hats", Placement(filter=Filter(categories=("Hats",))))
    await shop.settled()
    below = (await shop.get(placement="hats", user_id="u1", category="Hats > Never")).json()
    assert (below["item_count"], below["warnings"]) == (6, ["category: no item is of Hats > Never"])
    beside = (await shop.get(placement="hats", user_id="u1", category="Never")).json()
    assert beside["item_count"] == 6
    assert beside["warnings"] == ["category: outside of what this placement shows"]


async def test_a_set_of_items_is_kept_for_minutes_and_one_item_for_a_day(shop: Shop) -> None:
    before = await lists(shop)
    await shop.get(placement="cart-complement", item_id="i1,i2,i3")
    made = {key: ttl for key, ttl in (await lists(shop)).items() if key not in before}
    assert all(0 < ttl <= 600 for ttl in made.values())
    await shop.get(placement="pdp-similar", item_id="i1")
    one = {key: ttl for key, ttl in (await lists(shop)).items() if key not in before and key not in made}
    assert made
    assert one
    assert all(ttl > 80_000 for ttl in one.values())


async def test_masks_are_bounded_by_their_bytes(shop: Shop, monkeypatch: Any) -> None:
    snapshot = shop.app.state.server.holder.current[DEFAULT_TENANT]
    model = snapshot.models["personal"]
    monkeypatch.setattr(catalogues, "_MASK_BYTES", 0)
    monkeypatch.setattr(live, "_MASK_BYTES", 0)
    for number in range(200):
        wanted = Filter(price_max=float(number))
        rows = model.mask_id(wanted, snapshot.catalogue)
        assert np.array_equal(np.isfinite(model.masks[rows]), snapshot.catalogue.passing(wanted).groups[model.groups])
        assert len(snapshot.catalogue._masks) <= catalogues._LEAST_MASKS
        assert len(model.masks) <= live._LEAST_MASKS + 1


async def test_finished_answers_are_bounded_by_their_bytes(shop: Shop, monkeypatch: Any) -> None:
    memory: Finished = shop.app.state.server.pipeline._finished
    monkeypatch.setattr(repeats, "_MOST_BYTES", 60_000)
    for number in range(60):
        for _ in range(2):
            await shop.get(placement="email-grid", user_id="u1", send_id=f"s{number}", limit="6")
    held = sum(repeats._AN_ANSWER + len(one.body) for one in memory._kept.values())
    assert 0 < held == memory._bytes <= 60_000
