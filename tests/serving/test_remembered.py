"""What rules chose from a kept list is remembered, and is what they would choose anew, whatever is asked."""

from itertools import product
from typing import Any

import pytest

from app.core.ids import DEFAULT_TENANT, IdentityKind, facts_key, person_key
from app.data.catalogue.service import put_items
from app.data.facts import packed as facts
from app.serving.path.rules import remembered
from app.serving.path.rules.remembered import Remembered
from tests.documents.test_kit import send
from tests.serving.shop import Shop, document
from tests.serving.test_rules import redis, rule

STILL: dict[str, dict[str, Any]] = {
    "no-i3": {"action": "exclude", "items": ["i3"]},
    "dear": {"action": "boost", "factor": 1.4, "where": "item.price > 40"},
    "bags": {"action": "bury", "factor": 0.8, "where": 'item.category = "Bags"'},
    "last": {"action": "bury", "items": ["i9"]},
    "first": {"action": "pin", "items": ["i7"], "place": 2},
    "few": {"action": "cap", "most": 3, "by": "category"},
    "half": {"action": "share", "at_most": 0.5, "where": "item.price < 30"},
    "some": {"action": "share", "at_least": 0.2, "where": 'item.category = "Hats"'},
}
PERSONAL: dict[str, dict[str, Any]] = {
    "own": {"action": "exclude", "where": "item.price > trait.budget"},
    "lift": {"action": "boost", "factor": 1.5, "where": "item.price > 20", "when": "views.365d >= 1"},
    "score": {"action": "formula", "formula": 'score * (1 + 0.01 * item.price) + (ctx.weather = "hot" ? 0.5 : default(trait.bias, 0))'},
    "mixed": {"action": "diversity", "by": "category", "relevance": 0.7},
    "again": {"action": "bought", "where": "item.price > 30"},
}
ASKED = [
    {"user_id": user, **limit, **exclude, **category, **weather}
    for user, limit, exclude, category, weather in product(
        ("u1", "u2"), ({}, {"limit": "3"}), ({}, {"exclude": "i11"}), ({}, {"category": "Hats"}), ({}, {"ctx.weather": "hot"})
    )
]


class Counting(Remembered):
    """A memory that counts how often it knew."""

    known = 0

    def find(self, key: Any) -> Any:
        found = super().find(key)
        self.known += found is not None
        return found


class Forgetful(Remembered):
    """A memory that never knows."""

    def find(self, key: Any) -> Any:
        return None


async def shown(shop: Shop, **asked: str) -> Any:
    answer = await shop.get(placement="email-grid", **asked)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return [(one["item_id"], one["reason"]) for one in body["items"]], body["warnings"], body["source"]


async def anew(shop: Shop, monkeypatch: pytest.MonkeyPatch, **asked: str) -> Any:
    with monkeypatch.context() as patch:
        patch.setattr(remembered, "KEPT", Forgetful())
        return await shown(shop, **asked)


async def kept(shop: Shop, **asked: str) -> None:
    async def cached() -> bool:
        return (await shown(shop, **asked))[2] == "cached"

    await shop.until(cached)


@pytest.mark.parametrize("rules", [STILL, PERSONAL], ids=["still", "personal"])
async def test_a_remembered_choice_is_the_one_that_rules_make(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, rules: dict[str, dict[str, Any]]
) -> None:
    for name, body in rules.items():
        await rule(shop, name, **body)
    for asked in ASKED:
        await shown(shop, **asked)
    await kept(shop, **ASKED[-1])
    memory = Counting()
    monkeypatch.setattr(remembered, "KEPT", memory)
    for _ in range(2):
        for asked in ASKED:
            assert await shown(shop, **asked) == await anew(shop, monkeypatch, **asked), asked
    assert memory.known >= len(ASKED) // 2
    known = memory.known
    assert (await shop.get(placement="email-grid", user_id="u1", explain="1")).json()["explain"]["rules"]
    assert memory.known == known, "whoever explains is answered anew"


async def test_stock_rules_and_facts_that_change_are_seen_at_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await rule(shop, "budget", action="exclude", where="item.price > trait.budget")
    key = facts_key(DEFAULT_TENANT, person_key(DEFAULT_TENANT, IdentityKind.USER_ID, "u1"))
    await kept(shop, user_id="u1")
    whole = [item for item, _ in (await shown(shop, user_id="u1"))[0]]
    async with redis(shop) as cache:
        for budget in (40, 41.0, "60", True):
            await cache.set(key, facts.pack(b"", facts.Unpacked({}, [], [], more={"t": {"budget": budget}})))
            assert await shown(shop, user_id="u1") == await anew(shop, monkeypatch, user_id="u1"), budget
        await cache.delete(key)
    assert [item for item, _ in (await shown(shop, user_id="u1"))[0]] == whole
    await put_items(shop.db, shop.settings, DEFAULT_TENANT, [{**document(int(whole[0][1:])), "availability": "out_of_stock"}])
    await shop.settled()
    assert whole[0] not in [item for item, _ in (await shown(shop, user_id="u1"))[0]]
    await rule(shop, "budget", action="exclude", items=[whole[1]])
    assert whole[1] not in [item for item, _ in (await shown(shop, user_id="u1"))[0]]


@pytest.mark.parametrize(
    "body",
    [
        {"action": "exclude", "where": "item.price > now.hour"},
        {"action": "no_repeat", "days": 7},
        {"action": "bought", "days": 7},
    ],
)
async def test_what_hangs_on_the_moment_or_on_what_was_shown_is_not_remembered(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, body: dict[str, Any]
) -> None:
    memory = Counting()
    monkeypatch.setattr(remembered, "KEPT", memory)
    await rule(shop, "moving", **body)
    for _ in range(3):
        await shown(shop, user_id="u1")
    assert memory.known == 0


async def test_a_page_shows_everybody_the_same_choice_but_nobody_what_they_bought(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await send(shop, "PUT", "placements/page", {"recommender": "item_to_item", "anchor": "item", "count": 4})
    await send(
        shop, "PUT", "placements/fresh", {"recommender": "item_to_item", "anchor": "item", "count": 4, "filter": {"exclude_bought": True}}
    )
    await rule(shop, "cheap", action="boost", factor=1.5, where="item.price < 50", placements=["page", "fresh"])
    memory = Counting()
    monkeypatch.setattr(remembered, "KEPT", memory)

    async def pages(placement: str) -> list[list[str]]:
        found = []
        for user in ("u1", "u2", "u3", "u1", "u2", "u3"):
            body = (await shop.get(placement=placement, item_id="i1", user_id=user)).json()
            found.append([one["item_id"] for one in body["items"]])
        return found

    async def anew_each(placement: str) -> list[list[str]]:
        with monkeypatch.context() as patch:
            patch.setattr(remembered, "KEPT", Forgetful())
            return await pages(placement)

    for placement in ("page", "fresh"):
        await pages(placement)
        assert await pages(placement) == await anew_each(placement)
    assert memory.known > 0


def test_a_memory_is_bounded_and_keeps_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_MOST_BYTES", 6_000)
    memory = Remembered()
    for number in range(20):
        memory.keep((bytes(2_000), number), ())
        assert memory.find((bytes(2_000), 0)) == (), number
    assert sum(memory.find((bytes(2_000), number)) is not None for number in range(20)) <= 6
