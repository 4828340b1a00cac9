"""What a caller gets: personal answers, fallbacks with their reason, formats, pins."""

import json

import pytest

from app.content.escaping import neutral_text
from tests.serving.shop import Shop


async def test_a_known_person_gets_items_of_their_taste(shop: Shop) -> None:
    answer = (await shop.get(placement="email-grid", user_id="u1")).json()
    assert answer["source"] in ("live", "cached")
    assert answer["fallback"] is False
    assert answer["item_count"] == 6
    assert [item["position"] for item in answer["items"]] == [1, 2, 3, 4, 5, 6]
    assert {item["category"] for item in answer["items"]} == {"Shirts"}
    assert answer["model"] == "personal"


async def test_the_second_answer_comes_from_the_list_and_is_the_same(shop: Shop) -> None:
    first = (await shop.get(placement="email-grid", user_id="u2")).json()

    async def cached() -> dict[str, object] | None:
        answer = (await shop.get(placement="email-grid", user_id="u2")).json()
        return answer if answer["source"] == "cached" else None

    second = await shop.until(cached)
    assert [i["item_id"] for i in second["items"]] == [i["item_id"] for i in first["items"]]
    assert second["recommendation_id"] != first["recommendation_id"]


@pytest.mark.parametrize(("params", "reason"), [({}, "no_user"), ({"user_id": " "}, "no_user"), ({"user_id": "stranger"}, "unknown_user")])
async def test_a_stranger_gets_popular_items_and_the_reason(shop: Shop, params: dict[str, str], reason: str) -> None:
    answer = (await shop.get(placement="email-grid", **params)).json()
    assert (answer["source"], answer["fallback"], answer["fallback_reason"]) == ("popular", True, reason)
    assert answer["item_count"] == 6


async def test_a_product_page_needs_no_person_and_never_shows_its_own_item(shop: Shop) -> None:
    answer = (await shop.get(placement="pdp-similar", item_id="i5")).json()
    assert answer["source"] in ("live", "cached")
    assert "i5" not in [i["item_id"] for i in answer["items"]]
    assert {i["reason"] for i in answer["items"]} <= {"goes_with", "popular_in_category", "popular"}


async def test_an_unknown_placement_is_answered_and_told_and_strict_refuses_it(shop: Shop) -> None:
    answer = await shop.get(placement="nowhere", user_id="u1")
    assert answer.status_code == 200
    assert answer.json()["fallback_reason"] == "unknown_placement"
    assert answer.json()["has_items"]
    strict = await shop.get(placement="nowhere", strict="1")
    assert (strict.status_code, strict.json()["code"]) == (404, "not_found")


async def test_unusable_parameters_are_told_and_strict_refuses_them(shop: Shop) -> None:
    answer = (await shop.get(placement="email-grid", user_id="u1", limit="many", format="pdf")).json()
    assert len(answer["warnings"]) == 2
    assert answer["item_count"] == 6
    assert (await shop.get(placement="email-grid", limit="0", strict="1")).status_code == 400


async def test_one_send_shows_the_same_items_in_all_parts(shop: Shop) -> None:
    first = (await shop.get(placement="email-grid", user_id="u3", send_id="s1")).json()
    second = (await shop.get(placement="email-grid", user_id="u3", send_id="s1")).json()
    html = await shop.get("/v1/snippets/email-grid", user_id="u3", send_id="s1")
    assert first["recommendation_id"] == second["recommendation_id"]
    assert [i["item_id"] for i in first["items"]] == [i["item_id"] for i in second["items"]]
    for item in first["items"]:
        assert f">{item['title']}<" in html.text


async def test_json_is_flat_ascii_without_null(shop: Shop) -> None:
    answer = await shop.get(placement="email-grid", user_id="ü😀")
    assert answer.content.isascii()
    assert answer.json()["user_id"] == "ü😀"
    keys = {tuple(item) for item in answer.json()["items"]}
    assert len(keys) == 1
    for item in answer.json()["items"]:
        assert all(isinstance(value, (str, int, float)) for value in item.values())
    assert "null" not in answer.text


async def test_text_is_never_json(shop: Shop) -> None:
    answer = await shop.get(placement="email-grid", user_id="u1", format="text")
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.text)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert neutral_text("Item") in answer.text


async def test_head_has_the_same_headers_and_no_body(shop: Shop) -> None:
    answer = await shop.http.head("/v1/recommendations", params={"placement": "email-grid"}, headers={"X-Api-Key": shop.key})
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 100


async def test_post_takes_json_and_forms(shop: Shop) -> None:
    headers = {"X-Api-Key": shop.key}
    wanted = {"placement": "email-grid", "user_id": "u1", "limit": "3"}
    by_json = await shop.http.post("/v1/recommendations", json=wanted, headers=headers)
    by_form = await shop.http.post("/v1/recommendations", data=wanted, headers=headers)
    assert by_json.json()["item_count"] == by_form.json()["item_count"] == 3


async def test_no_credential_gives_a_problem(shop: Shop) -> None:
    answer = await shop.http.get("/v1/recommendations", params={"placement": "email-grid"})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_server_timing_names_the_stages(shop: Shop) -> None:
    answer = await shop.get(placement="email-grid", user_id="u1")
    assert {part.split(";")[0].strip() for part in answer.headers["server-timing"].split(",")} == {
        "auth", "limit", "lookup", "choose", "write", "total",
    }  # fmt: skip


async def test_explain_tells_history_and_rungs(shop: Shop) -> None:
    told = (await shop.get(placement="email-grid", user_id="u1", explain="1")).json()["explain"]
    assert told["history_length"] > 0
    assert told["person"] == "known"
    assert told["redis_trusted"] is True
