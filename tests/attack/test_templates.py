"""A template that got in and takes too long: answers go on with the grid, and nobody waits for it again and again."""

import time

import pytest

from app.content.templates import domain
from app.core.ids import DEFAULT_TENANT
from app.documents import store
from app.serving.render import templated
from tests.serving.shop import Shop

SLOW = "{% for i in (1..4900) %}{% if item.position == i %}x{% endif %}{{ i | plus: 1 | times: 2 }}{% endfor %}"


@pytest.mark.parametrize("grid", [False, True], ids=["a template of its own", "the shop's grid itself"])
async def test_a_template_that_takes_too_long_gives_way_to_the_grid_and_is_put_aside(shop: Shop, grid: bool) -> None:
    name = "grid" if grid else "slow"
    document = {part: {"frame": "{% for card in cards %}{{ card }}{% endfor %}", "card": SLOW} for part in ("html", "text")}
    await store.add(shop.db, "template", DEFAULT_TENANT, name, document, who="an earlier release")
    answered = await shop.http.put("/v1/admin/placements/slow", json={"template": name, "count": 50}, headers={"X-Api-Key": shop.key})
    assert answered.status_code == 200, answered.text
    await shop.settled()
    first = await shop.get("/v1/snippets/slow", user_id="u1")
    assert first.status_code == 200
    assert "<table" in first.text
    begun = time.thread_time()
    assert "<table" in (await shop.get("/v1/snippets/slow", user_id="u1")).text
    assert time.thread_time() - begun < 0.09  # less than what it has: it was not tried


def test_a_template_that_was_put_aside_is_tried_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    part = domain.from_document("x", 1, {name: {"frame": "f", "card": "c"} for name in ("html", "text")}).parts["html"]
    part.aside[:] = [time.monotonic() + 60]
    assert templated._set_aside(part)
    part.aside[:] = [time.monotonic() - 1]
    assert not templated._set_aside(part)
    assert not part.aside
