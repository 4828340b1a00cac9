"""A draft is seen as a real person would get it, and leaves no trace."""

from typing import Any

from app.core.ids import DEFAULT_TENANT
from app.data.catalogue.service import put_items
from tests.documents.test_kit import PART, send
from tests.serving.shop import Shop, document


async def test_a_draft_is_seen_as_a_person_would_get_it_and_leaves_no_trace(shop: Shop) -> None:
    await send(shop, "PUT", "placements/email-grid/draft", {"count": 3, "filter": {"categories": ["Hats"]}})
    # what was answered before may not be written yet
    begun = (await shop.db.rows("select clock_timestamp()"))[0][0]
    seen = await send(shop, "POST", "placements/email-grid/preview", {"user_id": "u2", "format": "json"})
    answer = seen.json()
    assert (answer["source"], answer["item_count"]) == ("live", 3)
    assert {item["category"] for item in answer["items"]} == {"Hats"}
    assert answer["explain"]["filter"] == {"categories": ["Hats"]}
    live = await send(shop, "POST", "placements/email-grid/preview", {"user_id": "u2", "format": "json", "version": 1})
    assert live.json()["item_count"] == 6
    written = await send(shop, "POST", "placements/not-yet/preview", {"user_id": "u1", "document": {"count": 2}})
    assert written.headers["content-type"].startswith("text/html")
    assert written.text.count("<img") == 2
    assert "/c/" not in written.text, "a click in a preview is nobody's"
    assert (await shop.get(placement="email-grid", user_id="u2")).json()["item_count"] == 6
    assert (await shop.get(placement="not-yet", strict="1")).status_code == 404
    await shop.get(placement="home-popular")

    async def recorded() -> Any:
        return (await shop.db.rows("select count(*) from serve where served_at > :begun", begun=begun))[0][0] == 2

    assert await shop.until(recorded), "only the two answers to callers are serves"
    for body, status in (({"document": {"colour": 1}}, 422), ({"colour": 1}, 422), ({"version": 99}, 404)):
        assert (await send(shop, "POST", "placements/email-grid/preview", body)).status_code == status
    assert (await send(shop, "POST", "placements/none/preview", {})).status_code == 404


async def test_the_audit_log_tells_who_looked_at_what_a_person_would_get_once_a_minute(shop: Shop) -> None:
    for user in ("u2", "u2", ""):
        assert (await send(shop, "POST", "placements/email-grid/preview", {"user_id": user})).status_code == 200
    lines = await shop.db.rows("select kind, what, note, name from audit where kind = 'person'")
    assert [tuple(line[:3]) for line in lines] == [("person", "read", "preview")]
    assert lines[0][3] != "u2", "a hint, not the id"


async def test_a_template_is_seen_in_a_placement_of_its_own(shop: Shop) -> None:
    drawn = {"html": {**PART, "card": "<i>{{ item.title }}</i>"}, "text": PART}
    for placement, count in (("", 4), ("email-hero", 1)):
        seen = await send(shop, "POST", "templates/grid/preview", {"document": drawn, "user_id": "u1", "placement": placement})
        assert seen.text.count("<i>Item") == count
    assert "<i>" not in (await shop.get("/v1/snippets/email-grid", user_id="u1")).text


async def test_a_blocked_group_stays_away_with_all_its_items(shop: Shop) -> None:
    variants = [{**document(0), "id": f"g0-{size}", "item_group_id": "g0", "category": "Capes"} for size in "SML"]
    await put_items(shop.db, shop.settings, DEFAULT_TENANT, [*variants, {**document(1), "id": "alone", "category": "Capes"}])
    made = await send(shop, "PUT", "placements/capes", {"filter": {"categories": ["Capes"]}, "blocked": ["g0"], "recommender": ""})
    assert [one["field"] for one in made.json()["findings"] if one["level"] == "warning" and one["field"] == "blocked"] == []
    await shop.settled()
    assert [item["item_id"] for item in (await shop.get(placement="capes")).json()["items"]] == ["alone"]
