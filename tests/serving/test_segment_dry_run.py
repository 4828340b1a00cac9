"""A draft of a segment is tried on people who did something in the last hour."""

from datetime import UTC, datetime
from typing import Any

from app.access import service as access
from app.access.domain import ClientKind, KeyKind, Scope
from app.access.schemas import NewClient, NewKey
from app.core.ids import DEFAULT_TENANT
from app.data.events.domain import Event, message_key
from app.data.kinds import Kind
from tests.documents.test_kit import send
from tests.serving.shop import Shop, add_events


async def look(shop: Shop, when: str, status: int = 200) -> dict[str, Any]:
    answer = await send(shop, "POST", "segments/lookers/dry-run", {"when": when})
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def lately(shop: Shop) -> None:
    """Let all events of the shop be of before, then somebody new buy, and people it knows look."""
    await shop.db.run("update event set received_at = received_at - interval '2 hours'")
    now = datetime.now(UTC)
    made = [Event(now, message_key(f"look-{n}"), ((1, f"u{n}"),), Kind.VIEW, item_id="i1") for n in range(4)]
    made.append(Event(now, message_key("first"), ((1, "new"),), Kind.PURCHASE, item_id="i1", order_id="first"))
    await add_events(shop.db, shop.settings, made)


async def test_who_is_in_and_who_would_enter_and_leave_is_told_of_people_of_the_last_hour(shop: Shop) -> None:
    published = await send(shop, "PUT", "segments/lookers", {"when": "views > 0"})
    assert published.status_code == 200, published.text
    await lately(shop)

    async def known() -> bool:
        told = await look(shop, "views > 0")
        return (told["people"], told["published"], told["draft"]) == (5, 4, 4)

    assert await shop.until(known, 20)
    told = await look(shop, "orders <= 1")
    assert (told["people"], told["published"], told["draft"], told["entering"], told["leaving"], told["cut"]) == (5, 4, 1, 1, 4, False)
    assert told["entering_examples"] == [{"kind": "user_id", "value": "new"}]
    assert {one["value"] for one in told["leaving_examples"]} == {f"u{n}" for n in range(4)}
    assert told["sentence"]
    kept = await shop.db.rows("select note from audit where what = 'read' and kind = 'segment' order by note")
    assert {row[0] for row in kept} >= {"1 people of a dry run", "4 people of a dry run"}
    same = await look(shop, "views > 0")
    assert (same["entering"], same["leaving"], same["entering_examples"]) == (0, 0, [])


async def test_nobody_is_named_to_whoever_may_not_read_profiles_and_mistakes_are_told(shop: Shop) -> None:
    await lately(shop)
    wanted = NewClient(name="editor", kind=ClientKind.SERVICE, scopes=[Scope.CONTENT])
    client = await access.create_client(shop.db, shop.settings, DEFAULT_TENANT, wanted)
    key = (await access.create_key(shop.db, DEFAULT_TENANT, client.client_id, NewKey(kind=KeyKind.API))).key
    await shop.settled()

    async def counted() -> dict[str, Any] | None:
        answer = await shop.http.post("/v1/admin/segments/lookers/dry-run", json={"when": "orders >= 0"}, headers={"X-Api-Key": key})
        told = dict(answer.json())
        return told if answer.status_code == 200 and told["entering"] == 5 else None

    told = await shop.until(counted, 20)
    assert (told["entering_examples"], told["leaving_examples"], told["published"]) == ([], [], 0)
    wrong = await look(shop, "vews > 0", 422)
    assert "views" in wrong["detail"]
