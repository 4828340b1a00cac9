"""The short way of events answers as its documented routes do, and has a budget of its own."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2 as httpx
import pytest

from app.access import service
from app.access.domain import ClientKind, KeyKind, Scope
from app.access.limits.counting import Budget
from app.access.runtime import Access
from app.access.schemas import NewClient, NewKey
from app.core.db import Database
from app.core.settings import Settings
from app.data.events.door import EventsDoor
from app.data.events.sources.listed import calls

CALLS = {path: call for path, (_, call) in calls().items()}
TRACK = {"event": "Product Viewed", "userId": "u1", "properties": {"product_id": "a", "price": "9,90"}}
BODIES: list[tuple[str, Any, dict[str, str]]] = [
    *((path, TRACK | {"previousId": "u0", "groupId": "g"}, {}) for path in CALLS if CALLS[path] != "batch"),
    *((path, {"batch": [TRACK | {"type": "track"}, {"type": "track"}, 7]}, {}) for path in CALLS if CALLS[path] == "batch"),
    ("/v1/track", {}, {}),
    ("/v1/track", [], {}),
    ("/v1/track", b"", {}),
    ("/v1/track", b"{", {}),
    ("/v1/track", b"\xff", {}),
    ("/v1/track", b'{"event": "' + b"x" * 40_000 + b'"}', {}),
    ("/v1/batch", b'{"batch": [' + b" " * 600_000 + b"]}", {}),
    ("/v1/batch", {"batch": []}, {}),
    ("/v1/batch", {"batch": {}}, {}),
    ("/v1/track", TRACK | {"properties": {"product_id": "nowhere"}}, {}),
    ("/v1/track", TRACK | {"userId": "undefined"}, {}),
    ("/v1/track", TRACK | {"timestamp": "yesterday"}, {}),
    ("/v1/track", gzip.compress(json.dumps(TRACK).encode(), mtime=0), {"content-encoding": "gzip"}),
    ("/v1/track", b"\x1f\x8b broken", {"content-encoding": "gzip"}),
    ("/v1/track", TRACK, {"content-encoding": "br"}),
    ("/v1/track", TRACK, {"x-api-key": "mk_api_wrong"}),
    ("/v1/track", TRACK, {"content-type": "text/plain"}),
    ("/v1/track?key=mk_url_wrong", TRACK, {}),
    ("/v1/track", TRACK | {"writeKey": "mk_write_wrong"}, {"x-api-key": ""}),
    ("/v1/track", TRACK, {"x-api-key": ""}),
]


@pytest.fixture
async def short(http: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose calls take the short way."""
    app = http._transport.app  # type: ignore[attr-defined]
    door = EventsDoor(app)

    async def front(scope: Any, receive: Any, send: Any) -> None:
        assert scope["path"] in CALLS
        await door({**scope, "app": app}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://morsel.test", headers=http.headers) as found:
        yield found


async def ask(http: httpx.AsyncClient, target: str, body: Any, headers: dict[str, str]) -> tuple[int, dict[str, str], Any]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = await http.post(target, content=content, headers={"content-type": "application/json", **headers})
    return answer.status_code, dict(answer.headers), answer.json()


async def test_every_call_is_answered_alike_on_both_ways(
    http: httpx.AsyncClient, short: httpx.AsyncClient, catalogue: dict[str, int], db: Database
) -> None:
    statuses = set()
    for target, body, headers in BODIES:
        documented, taken = await ask(http, target, body, headers), await ask(short, target, body, headers)
        assert taken == documented, target
        statuses.add(taken[0])
    assert {200, 400, 401, 415} <= statuses
    stored = (await db.rows("select count(*) from event"))[0][0]
    assert stored % 2 == 0, "what one way stores the other stores too"
    assert stored > 20


async def test_a_write_key_in_the_body_names_the_sender(
    short: httpx.AsyncClient, access: Access, db: Database, settings: Settings, tenant: int, catalogue: dict[str, int]
) -> None:
    wanted = NewClient(name="sender", kind=ClientKind.SERVICE, scopes=[Scope.EVENTS])
    _, key = await service.create_client_with_key(db, settings, tenant, wanted, NewKey(kind=KeyKind.WRITE))
    await access.refresh()
    del short.headers["X-Api-Key"]
    status, _, told = await ask(short, "/v1/t", TRACK | {"writeKey": key.key}, {})
    assert (status, told["accepted"]) == (200, 1)


async def test_a_burst_of_answers_refuses_no_event_and_no_administration(
    http: httpx.AsyncClient, short: httpx.AsyncClient, access: Access, db: Database, settings: Settings, tenant: int
) -> None:
    wanted = NewClient(name="busy", kind=ClientKind.SERVICE, scopes=[Scope.ADMIN], rate_limit="3/hour")
    client, key = await service.create_client_with_key(db, settings, tenant, wanted, NewKey())
    await access.refresh()
    caller = access.authenticator.authenticate([(b"x-api-key", key.key.encode())])
    answers = [(await access.limiter.admit(caller)).allowed for _ in range(6)]
    assert answers == [True] * 3 + [False] * 3, "the budget of answers is used up"
    mine = {"x-api-key": key.key}
    statuses = [(await ask(short, "/v1/track", TRACK, mine))[0] for _ in range(5)]
    assert statuses == [200] * 3 + [429] * 2, "events have a budget of their own"
    statuses = [(await http.get(f"/v1/items/{client.client_id}", headers=mine)).status_code for _ in range(5)]
    assert statuses == [404] * 3 + [429] * 2, "administration has one too"
    assert len({budget.value for budget in Budget}) == 3
