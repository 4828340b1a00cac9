"""Looking at events: the newest first, narrowed and bounded, whose they are for those who may know, and what nobody knew."""

from typing import Any

import httpx
import pytest

from app.core.db import Database
from app.core.settings import Settings
from app.data.events.tail import store
from app.data.identity import watched
from app.data.kinds import Kind
from tests.data.conftest import Put, event

PATH = "/v1/admin/events"


async def found(http: httpx.AsyncClient, status: int = 200, path: str = PATH, **query: Any) -> Any:
    answer = await http.get(path, params=query)
    assert answer.status_code == status, answer.text
    return answer.json()


def names(page: Any) -> list[str]:
    return [one["name"] for one in page["events"]]


async def test_events_come_newest_first_page_by_page_and_what_is_newer_than_a_cursor(
    http: httpx.AsyncClient, put: Put, catalogue: dict[str, int]
) -> None:
    await put(*(event(number, name=f"e{number}") for number in range(5)))
    first = await found(http, limit=2)
    second = await found(http, limit=2, before=first["next"])
    third = await found(http, limit=2, before=second["next"])
    assert [names(page) for page in (first, second, third)] == [["e4", "e3"], ["e2", "e1"], ["e0"]]
    assert third["next"] is None
    await put(event(9, user="bob", item="d", kind=Kind.CART, name="<late>", quantity=2.0, value=3.5))
    later = await found(http, after=first["newest"])
    assert names(later) == ["<late>"]
    one = later["events"][0]
    assert (one["kind"], one["item_id"], one["title"], one["quantity"], one["value"], one["source"]) == ("cart", "d", "d", 2.0, 3.5, "live")
    assert one["person"] == {"kind": "user_id", "value": "bob"}
    assert names(await found(http, after=later["newest"])) == []


async def test_events_are_narrowed_by_kind_item_and_person_by_any_id(
    http: httpx.AsyncClient, put: Put, catalogue: dict[str, int], db: Database, settings: Settings, tenant: int
) -> None:
    await put(event(1, name="view a"), event(2, name="cart b", item="b", kind=Kind.CART, identities=((1, "bob"), (2, "phone"))))
    await put(event(3, name="phone alone", item="b", identities=((2, "phone"),)))
    assert names(await found(http, kind="cart")) == ["cart b"]
    assert names(await found(http, item="b")) == ["phone alone", "cart b"]
    assert (
        names(await found(http, person="bob")) == names(await found(http, person="phone", by="anonymous_id")) == ["phone alone", "cart b"]
    )
    assert names(await found(http, source="live", person="ann")) == ["view a"]
    for query in ({"item": "zz"}, {"source": "till"}, {"person": "nobody-here"}):
        await found(http, 404, **query)
    assert "there are" in (await found(http, 422, kind="buy"))["detail"]
    told = {row[0] for row in await db.rows("select name from audit where kind = 'person'")}
    assert told >= {watched.EVERYBODY, watched.hint(settings, tenant, (1, "bob")), watched.hint(settings, tenant, (2, "phone"))}


async def test_a_page_looks_through_a_bounded_piece_and_leads_on(
    http: httpx.AsyncClient, put: Put, catalogue: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LOOKED_AT", 4)
    await put(event(0, name="rare", kind=Kind.CART), *(event(number) for number in range(1, 10)))
    seen, before = [], ""
    for _ in range(10):
        page = await found(http, kind="cart", before=before)
        seen += names(page)
        before = page["next"]
        if not before:
            break
    assert seen == ["rare"]


async def test_what_nobody_knew_is_told_by_name_and_by_item(http: httpx.AsyncClient, put: Put, catalogue: dict[str, int]) -> None:
    body = {"type": "track", "userId": "ann", "event": "Product Viewed", "properties": {"product_id": "gone-1"}}
    spun = {"type": "track", "userId": "ann", "event": "Wheel <b>Spun"}
    answer = await http.post(
        "/v1/batch", json={"batch": [body, {**body, "properties": {"product_id": "a"}}, spun, spun, {"type": "identify", "userId": "ann"}]}
    )
    assert answer.json()["accepted"] == 5
    told = await found(http, path=f"{PATH}/unknown")
    assert [(one["name"], one["count"]) for one in told["names"]] == [("Wheel <b>Spun", 2)]
    assert [(one["item_id"], one["count"]) for one in told["items"]] == [("gone-1", 1)]
    assert [(one["kind"], one["source"], one["count"], one["without"]) for one in told["without_item"]] == [("view", "live", 2, 1)]
    assert told["looked_at"] == 5
    lost = [one for one in (await found(http))["events"] if one["unknown_item"]]
    assert len(lost) == 1


@pytest.mark.parametrize("cursor", ["x", "_", "2026-01-01_", "2026-01-01_x", "2026-01-01T00:00:00Z_99999999999999999999"])
async def test_a_cursor_that_is_none_of_ours_is_refused(http: httpx.AsyncClient, cursor: str) -> None:
    await found(http, 400, before=cursor)
    await found(http, 400, after=cursor)
