"""A rung of the ladder is one entry: it names the answer, in pins and records too, and what it lacks comes from below."""

import pytest

from app.core.ids import DEFAULT_TENANT
from app.serving.model.outcome import ItemReason, Pick, Rung
from app.serving.path.rungs import order
from app.serving.path.rungs.climb import Climb
from tests.serving.shop import Shop


def two_of_an_editor(climb: Climb) -> list[Pick]:
    index_of = climb.call.snapshot.catalogue.index_of
    return [(index_of[item], 1.0, ItemReason.FIXED) for item in ("i5", "i9")]


EDITOR = Rung("editor", 7, two_of_an_editor)


async def test_an_added_rung_answers_is_filled_up_recorded_and_pinned(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "RUNGS", (EDITOR, *order.RUNGS))
    answer = await shop.get(placement="home-popular", limit="4", send_id="mail")
    body = answer.json()
    assert (body["source"], body["fallback"], answer.headers["x-morsel-source"]) == ("popular", True, "popular"), "over no model"
    answer = await shop.get(placement="email-grid", user_id="u1", limit="4", send_id="mail")
    body = answer.json()
    items = [item["item_id"] for item in body["items"]]
    assert (body["source"], body["fallback"], answer.headers["x-morsel-source"]) == ("editor", True, "editor")
    assert (items[:2], len(items)) == (["i5", "i9"], 4)
    again = (await shop.get(placement="email-grid", user_id="u1", limit="4", send_id="mail")).json()
    assert (again["source"], again["recommendation_id"], [item["item_id"] for item in again["items"]]) == (
        "editor", body["recommendation_id"], items,
    )  # fmt: skip

    async def recorded() -> bool:
        return bool(await shop.db.rows("select 1 from serve where tenant = :tenant and rung = 7", tenant=DEFAULT_TENANT))

    assert await shop.until(recorded)
    assert b'rung="editor"' in (await shop.http.get("/metrics")).content


def test_rungs_keep_the_numbers_that_pins_and_records_hold() -> None:
    numbers = {rung.name: rung.number for rung in order.RUNGS}
    assert numbers == {"live": 0, "cached": 1, "stale": 2, "segment": 3, "popular": 4, "fixed": 5}
    assert {rung.name for rung in order.RUNGS if rung.own} == {"live", "cached", "stale", "segment"}
    assert {rung.name for rung in order.RUNGS if not rung.fallback} == {"live", "cached"}
