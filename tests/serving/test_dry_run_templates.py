"""A dry run of a template tells which blocks look other, how large they are, and what cannot be written."""

from typing import Any

from app.core.ids import DEFAULT_TENANT
from app.serving.render.samples import samples
from tests.documents.test_kit import send
from tests.serving.shop import Shop
from tests.serving.test_replay import Day


async def published(shop: Shop, name: str) -> dict[str, Any]:
    return dict((await send(shop, "GET", f"templates/{name}/published")).json()["template"])


async def dry(shop: Shop, name: str, body: Any, status: int = 200) -> dict[str, Any]:
    answer = await send(shop, "POST", f"templates/{name}/dry-run?people=20", body)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def test_of_what_is_published_nothing_looks_other(shop: Shop) -> None:
    told = await dry(shop, "grid", {})
    assert (told["kind"], told["changed"], told["changed_people"], told["faults"]) == ("template", 0, 0, [])
    assert told["people"] == 21
    assert {one["format"] for one in told["formats"]} == {"html", "text"}
    for one in told["formats"]:
        assert one["published"]["most_bytes"] == one["draft"]["most_bytes"] > 0
    assert "0 of" in told["sentence"]
    assert "All blocks could be written." in told["sentence"]


async def test_what_looks_other_is_counted_by_placement_and_format(shop: Shop) -> None:
    body = await published(shop, "grid")
    body["text"] = {**body["text"], "card": body["text"]["card"] + "{% if item.category == 'Hats' %} a hat{% endif %}"}
    told = await dry(shop, "grid", body)
    shapes = {one["format"]: one for one in told["formats"]}
    assert shapes["html"]["changed"] == 0
    assert 0 < told["changed"] == shapes["text"]["changed"] < told["answers"]
    assert {one["placement"] for one in told["placements"]} == {
        one["name"] for one in (await send(shop, "GET", "placements")).json()["placements"] if one["placement"]["template"] == "grid"
    }


async def test_a_block_that_is_longer_than_gmail_shows_is_told(shop: Shop) -> None:
    body = await published(shop, "grid")
    body["html"] = {**body["html"], "frame": body["html"]["frame"] + "<!-- " + "x" * 95_000 + " -->"}
    told = await dry(shop, "grid", body)
    html = next(one for one in told["formats"] if one["format"] == "html")
    assert html["draft"]["clipped"] > 0 == html["published"]["clipped"]
    assert html["draft"]["most_bytes"] > told["clipped_bytes"]
    assert "alone longer than the 102 KB that Gmail shows" in told["sentence"]


async def test_what_can_be_written_for_some_items_only_is_told_with_its_reason(shop: Shop) -> None:
    body = await published(shop, "grid")
    day = Day(shop)
    answers = await day.answers([{"placement": "email-grid", "user_id": f"u{number}"} for number in range(40)])
    sampled = {one["item_id"] for one in samples(shop.app.state.holder.current[DEFAULT_TENANT])}
    untried = next(one["item_id"] for answer in answers for one in answer["items"] if one["item_id"] not in sampled)
    # the trial before publishing does not see this item
    broken = f'{{% if item.item_id == "{untried}" %}}{{{{ "1.5" | round: 99 }}}}{{% endif %}}'
    body["text"] = {**body["text"], "card": broken + body["text"]["card"]}
    told = await day.replay("templates/grid", body)
    assert told["replayed"]["recorded"] == told["answers"] == 40
    (fault,) = told["faults"]
    assert (fault["format"], fault["message"].partition("\n")[0]) == ("text", "round takes numbers up to 30")
    text = next(one for one in told["formats"] if one["format"] == "text")
    assert 0 < fault["blocks"] == text["draft"]["faults"] < text["blocks"]
    assert f"{fault['blocks']} block" in told["sentence"]


async def test_a_template_that_no_placement_shows_is_tried_and_one_that_cannot_be_read_is_refused(shop: Shop) -> None:
    told = await dry(shop, "fresh", await published(shop, "hero"))
    assert len(told["placements"]) == 1
    assert told["notes"][0].startswith("No placement shows the template yet: it was tried in ")
    assert told["changed"] == told["answers"]
    refused = await dry(shop, "grid", {"html": {"frame": "{% for %}", "card": ""}, "text": {"frame": "", "card": ""}}, 422)
    assert refused["code"] == "invalid"
