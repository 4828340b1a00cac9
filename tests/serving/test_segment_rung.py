"""What is popular in a segment that the placement names is shown to its people before what is popular in their category."""

from typing import Any

import pytest

from app.core.ids import DEFAULT_TENANT
from tests.documents.test_kit import send
from tests.serving.shop import Shop

# every fourth person likes the same category: u3 bags, u2 hats
HATS = 'affinity.category["Hats"] > 0.5'


async def named(shop: Shop, *segments: str, **more: Any) -> Any:
    answer = await send(shop, "PUT", "placements/banner", {"count": 5, "segments": list(segments), **more})
    await shop.settled()
    return answer


async def listed(shop: Shop, name: str) -> bool:
    async def there() -> bool:
        sql = "select 1 from popular_list where tenant = :tenant and segment = :name"
        return bool(await shop.db.rows(sql, tenant=DEFAULT_TENANT, name=f"segment:{name}"))

    return bool(await shop.until(there, 20))


@pytest.mark.parametrize("placement", [{"recommender": ""}, {"recommender": "ease"}])
async def test_people_of_a_named_segment_get_its_popular_items_and_others_do_not(shop: Shop, placement: dict[str, Any]) -> None:
    assert (await send(shop, "PUT", "segments/hats", {"when": HATS})).status_code == 200
    assert await listed(shop, "hats")
    assert (await named(shop, "hats", **placement)).status_code == 200

    async def answer(user: str) -> Any:
        return (await shop.get(placement="banner", user_id=user, explain="1")).json()

    async def found() -> bool:
        # the category's popular items are of the same rung
        return {one["reason"] for one in (await answer("u2"))["items"]} == {"popular_in_segment"}

    assert await shop.until(found)
    body = await answer("u2")
    assert body["source"] == "segment"
    assert {one["category"] for one in body["items"]} == {"Hats"}
    assert {one["reason"] for one in (await answer("u3"))["items"]} <= {"popular", "popular_in_category"}
    formula = {"action": "formula", "formula": "0 - item.price", "placements": ["banner"]}
    assert (await send(shop, "PUT", "rules/cheap", formula)).status_code == 200
    await shop.settled()
    assert {one["reason"] for one in (await answer("u2"))["items"]} == {"popular_in_segment"}, "whatever a formula makes of the score"
    await named(shop, **placement)
    assert "popular_in_segment" not in {one["reason"] for one in (await answer("u2"))["items"]}


async def test_consent_that_is_withdrawn_shuts_the_rung(shop: Shop) -> None:
    assert (await send(shop, "PUT", "segments/hats", {"when": HATS})).status_code == 200
    assert await listed(shop, "hats")
    await named(shop, "hats", recommender="")
    body = {"personalisation": False}
    answer = await shop.http.put("/v1/admin/people/u2/consent", json=body, headers={"X-Api-Key": shop.key})
    assert answer.status_code < 300, answer.text

    async def refused() -> bool:
        return bool((await shop.get(placement="banner", user_id="u2")).json()["fallback_reason"] == "no_consent")

    assert await shop.until(refused)
    assert {one["reason"] for one in (await shop.get(placement="banner", user_id="u2")).json()["items"]} == {"popular"}


async def test_a_segment_that_is_not_there_is_refused_with_the_nearest_and_one_that_is_named_stays(shop: Shop) -> None:
    assert (await send(shop, "PUT", "segments/hats", {"when": HATS})).status_code == 200
    answer = await named(shop, "hatz")
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": "segments", "message": "there is no segment hatz; did you mean hats?"}]
    assert (await named(shop, "hats")).status_code == 200
    gone = await send(shop, "DELETE", "segments/hats")
    assert (gone.status_code, "banner" in gone.text) == (409, True)
