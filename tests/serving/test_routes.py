"""Ranking, records of serves, and the admin routes that change what is shown."""

from typing import Any

from app.core.ids import unshort
from tests.serving.shop import Shop


async def post(shop: Shop, path: str, body: dict[str, Any]) -> Any:
    return await shop.http.post(path, json=body, headers={"X-Api-Key": shop.key})


async def put(shop: Shop, path: str, body: dict[str, Any]) -> Any:
    return await shop.http.put(path, json=body, headers={"X-Api-Key": shop.key})


async def test_rank_orders_the_callers_items_by_taste_and_keeps_all(shop: Shop) -> None:
    items = [f"i{number}" for number in range(40, 60)] + ["no-such-item"]
    answer = (await post(shop, "/v1/rank", {"user_id": "u1", "items": items})).json()
    assert answer["source"] == "live"
    assert sorted(one["item_id"] for one in answer["items"]) == sorted(items)
    own = [int(one["item_id"][1:]) % 4 == 1 for one in answer["items"][:5]]
    assert sum(own) >= 4, "the shirts come first"
    assert answer["items"][-1]["item_id"] == "no-such-item"


async def test_rank_falls_back_to_popularity(shop: Shop) -> None:
    answer = (await post(shop, "/v1/rank", {"user_id": "stranger", "items": ["i1", "i2"]})).json()
    assert (answer["source"], answer["fallback_reason"], answer["item_count"]) == ("popular", "unknown_user", 2)


async def test_every_serve_is_recorded_with_its_items_and_rung(shop: Shop) -> None:
    answer = (await shop.get(placement="email-grid", user_id="u1")).json()
    number = unshort(answer["recommendation_id"])

    async def found() -> Any:
        return await shop.db.rows("select items, rung, person_no, latency_us, prices from serve where recommendation_id = :id", id=number)

    ((items, rung, person_no, latency_us, prices),) = await shop.until(found)
    assert len(items) == len(prices) == 6
    assert rung in (0, 1)
    assert person_no
    assert latency_us > 0


async def test_a_head_request_is_not_recorded(shop: Shop) -> None:
    await shop.http.head("/v1/recommendations", params={"placement": "pdp-similar", "item_id": "i1"}, headers={"X-Api-Key": shop.key})
    await shop.get(placement="home-popular")
    shown = "select p.name from serve s join placement p using (tenant, placement_no) where p.name in ('pdp-similar', 'home-popular')"

    async def recorded() -> Any:
        return await shop.db.rows(shown)

    assert {row[0] for row in await shop.until(recorded)} == {"home-popular"}


async def test_a_placement_is_published_and_shows_in_the_next_answer(shop: Shop) -> None:
    made = await put(shop, "/v1/admin/placements/hats", {"count": 3, "filter": {"categories": ["Hats"]}})
    assert (made.status_code, made.json()["version"]) == (200, 1)
    await shop.settled()
    answer = (await shop.get(placement="hats", user_id="u1")).json()
    assert {item["category"] for item in answer["items"]} == {"Hats"}
    again = await put(shop, "/v1/admin/placements/hats", {"count": 2})
    assert again.json()["version"] == 2
    listed = (await shop.get("/v1/admin/placements/hats")).json()
    assert [one["version"] for one in listed["placements"]] == [2, 1]
    assert (await shop.get("/v1/admin/placements/none")).status_code == 404


async def test_a_wrong_placement_is_refused_field_by_field(shop: Shop) -> None:
    answer = await put(shop, "/v1/admin/placements/bad", {"count": 0, "colour": "red"})
    assert answer.status_code == 422
    assert {one["field"] for one in answer.json()["errors"]} == {"count", "colour"}


async def test_a_template_is_checked_before_it_is_published(shop: Shop) -> None:
    part = {"frame": "<div>{% for card in cards %}{{ card }}{% endfor %}</div>", "card": "<b>{{ item.title }}</b> {{ item.position }}"}
    assert (await put(shop, "/v1/admin/templates/plain", {"html": part, "text": part})).status_code == 200
    await put(shop, "/v1/admin/placements/plain", {"template": "plain", "count": 2})
    await shop.settled()
    text = (await shop.get("/v1/snippets/plain", user_id="u1")).text
    assert text.startswith("<div><b>Item ")
    assert "</b> 1<b>" in text
    broken = {"html": {**part, "card": "{{ item.title | safe }}"}, "text": part}
    refused = await put(shop, "/v1/admin/templates/plain", broken)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    assert "safe" in refused.json()["detail"]


async def test_a_card_that_computes_with_its_holes_is_rendered_each_time(shop: Shop) -> None:
    part = {
        "frame": "{% for card in cards %}{{ card }};{% endfor %}",
        "card": "{% if item.position == 1 %}first{% else %}{{ item.position }}{% endif %}",
    }
    text_part = {"frame": "{{ item_count }}", "card": "x"}
    await put(
        shop,
        "/v1/admin/templates/clever",
        {"html": {**part, "card": "{% if item.position == '1' %}first{% else %}later{% endif %}"}, "text": text_part},
    )
    await put(shop, "/v1/admin/placements/clever", {"template": "clever", "count": 3})
    await shop.settled()
    assert (await shop.get("/v1/snippets/clever", user_id="u1")).text == "first;later;later;"


async def test_models_are_listed_and_rolled_back_only_when_there_is_an_earlier_one(shop: Shop) -> None:
    models = (await shop.get("/v1/admin/models")).json()["models"]
    assert {one["recommender"] for one in models if one["live"]} == {"personal", "item_to_item"}
    refused = await post(shop, "/v1/admin/models/personal/rollback", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


async def test_a_model_is_shown_by_its_version_or_as_the_live_one_and_one_that_is_not_is_told(shop: Shop) -> None:
    (listed,) = (await shop.get("/v1/admin/models/personal")).json()["models"]
    shown = (await shop.get("/v1/admin/models/personal/live")).json()
    assert (shown["recommender"], shown["version"], shown["live"]) == ("personal", listed["version"], True)
    assert (await shop.get(f"/v1/admin/models/personal/{listed['version']}")).json() == shown
    for path, says in (
        ("personel", "personel has no model: there is no model of it, but of item_to_item, personal."),
        ("personel/live", "personel has no live model; there is no model of it, but of item_to_item, personal."),
        ("personal/latest", f"personal has no version latest; there are {listed['version']}."),
    ):
        missing = await shop.get(f"/v1/admin/models/{path}")
        assert (missing.status_code, missing.json()["code"], missing.json()["detail"]) == (404, "not_found", says)


async def test_a_misspelt_parameter_of_an_administrator_narrows_nothing_and_is_refused(shop: Shop) -> None:
    for path, says in (
        ("/v1/admin/signals?placment=email-grid", "placment: is no parameter of this call; is placement meant?"),
        ("/v1/admin/models?zzz=1", "zzz: is no parameter of this call"),
        ("/v1/items/i1?user=1", "user: is no parameter of this call"),
        ("/v1/admin/signals?placement=email-grid", ""),
        (f"/v1/admin/models?key={shop.key}", ""),
    ):
        told = await shop.http.get(path, headers={"X-Api-Key": shop.key})
        assert told.json().get("detail", "") == says, path
        assert told.status_code == (400 if says else 200)
    sent = {"placement": "email-grid", "duration_s": 60, "everyone": True}
    told = await shop.http.post("/v1/admin/sends?dryrun=1", json=sent, headers={"X-Api-Key": shop.key})
    assert told.json()["detail"] == "dryrun: is no parameter of this call; is dry_run meant?"
    assert (await shop.get("/v1/admin/sends")).json()["sends"] == [], "nothing was announced"


async def test_a_credential_that_is_bound_to_placements_says_to_which(shop: Shop) -> None:
    client = await post(shop, "/v1/admin/clients", {"name": "mail", "kind": "esp", "scopes": ["recommend"]})
    wanted = {"kind": "url", "placements": ["email-hero", "email-grid"]}
    key = (await post(shop, f"/v1/admin/clients/{client.json()['client_id']}/keys", wanted)).json()["key"]
    await shop.settled()
    told = (await shop.http.get("/v1/snippets/email-grd", params={"user_id": "u1", "key": key})).json()
    assert told["detail"] == "This credential is bound to other placements: email-grid, email-hero."


async def test_a_body_that_was_not_sent_as_json_is_told_as_such(shop: Shop) -> None:
    """As `curl -d` sends it without a header."""
    for path, body in (("/v1/rank", b'{"user_id": "u1", "items": ["i1"]}'), ("/v1/admin/sends", b"placement=email-grid")):
        headers = {"X-Api-Key": shop.key, "Content-Type": "application/x-www-form-urlencoded"}
        told = (await shop.http.post(path, content=body, headers=headers)).json()
        assert told["detail"] == "The body was not sent as JSON: it needs the header Content-Type: application/json."
        told = (await shop.http.post(path, content=b"[1]", headers={**headers, "Content-Type": "application/json"})).json()
        assert told["detail"] == "Some fields have wrong values."


async def test_metrics_count_serves_by_rung(shop: Shop) -> None:
    await shop.get(placement="home-popular")
    text = (await shop.http.get("/metrics")).text
    assert 'morsel_serves_total{placement="home-popular",reason="no_user",rung="popular"}' in text
