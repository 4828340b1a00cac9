"""The tracking API call by call, and the transaction that concurrent requests share."""

import asyncio
import base64
import gzip
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy import text

from app.access import service as access_service
from app.access.domain import ClientKind, KeyKind, Scope
from app.access.runtime import Access
from app.access.schemas import NewClient, NewKey
from app.core.db import Database
from app.core.errors import Unavailable
from app.core.settings import Settings
from app.data.events.domain import Event
from app.data.events.intake import Intake
from app.data.identity.vault import DataKeys
from app.data.kinds import Kind
from tests.data.conftest import Put, event

CALLS = ("track", "identify", "page", "screen", "group", "alias")


def message(**more: Any) -> dict[str, Any]:
    return {"userId": "ann", "event": "Product Viewed", "properties": {"product_id": "a"}, **more}


@pytest.fixture
async def write_key(access: Access, db: Database, settings: Settings, tenant: int) -> str:
    """A write key of a client that sends events."""
    wanted = NewClient(name="sender", kind=ClientKind.SERVICE, scopes=[Scope.EVENTS])
    client = await access_service.create_client(db, settings, tenant, wanted)
    key = await access_service.create_key(db, tenant, client.client_id, NewKey(kind=KeyKind.WRITE))
    await access.refresh()
    return key.key


@pytest.fixture
async def anyone(http: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """A caller without credentials."""
    async with httpx.AsyncClient(transport=http._transport, base_url="http://morsel.test") as found:
        yield found


@pytest.mark.parametrize("call", CALLS)
async def test_every_call_of_segment_is_stored_under_its_name(http: httpx.AsyncClient, db: Database, call: str) -> None:
    answer = await http.post(f"/v1/{call}", json=message(messageId="1"))
    assert (answer.status_code, answer.json()["success"], answer.json()["accepted"]) == (200, True, 1)
    again = await http.post(f"/v1/{call}", json=message(messageId="1"))
    assert (again.status_code, again.json()["accepted"], again.json()["duplicates"]) == (200, 0, 1)
    rows = await db.rows("select name, kind from event")
    kinds = {"track": Kind.VIEW, "page": Kind.PAGE, "screen": Kind.PAGE}
    assert [tuple(row) for row in rows] == [("Product Viewed" if call == "track" else call, kinds.get(call, Kind.NONE))]


async def test_a_write_key_is_taken_as_basic_user_and_from_the_body(anyone: httpx.AsyncClient, db: Database, write_key: str) -> None:
    basic = {"Authorization": f"Basic {base64.b64encode(f'{write_key}:'.encode()).decode()}"}
    assert (await anyone.post("/v1/track", json=message(), headers=basic)).status_code == 200
    assert (await anyone.post("/v1/track", json=message(writeKey=write_key))).status_code == 200
    assert (await anyone.post("/v1/batch", json={"batch": [{"type": "track", **message()}], "writeKey": write_key})).status_code == 200
    for body in (message(), message(writeKey="mk_write_wrong"), message(writeKey=7)):
        assert (await anyone.post("/v1/track", json=body)).status_code == 401
    assert (await db.rows("select count(*) from event"))[0][0] == 3
    assert not [row for row in await db.rows("select payload from event") if write_key.encode() in row[0]]


async def test_a_beacon_sends_plain_text_and_a_packed_body_is_unpacked(anyone: httpx.AsyncClient, db: Database, write_key: str) -> None:
    body = orjson.dumps(message(writeKey=write_key))
    assert (await anyone.post("/v1/track", content=body, headers={"Content-Type": "text/plain"})).status_code == 200
    packed = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert (await anyone.post("/v1/track", content=gzip.compress(body), headers=packed)).status_code == 200
    assert (await db.rows("select count(*) from event"))[0][0] == 2


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        (orjson.dumps(message(note="x" * 31_000)), "", ""),
        (orjson.dumps(message(note="x" * 33_000)), "too_large", "32768"),
        (b'{"userId": "ann", "event": "x", "properties": {"price": NaN}}', "bad_request", "JSON"),
        (b'{"userId": "\\ud800", "event": "x"}', "bad_request", "JSON"),
        (b'{"userId": "ann", "event": "x", "properties": ' + b'{"a":' * 300 + b"1" + b"}" * 301, "bad_request", "deeply"),
        (b"[]", "bad_request", "object"),
        (b'{"event": "x"}', "bad_request", "anonymousId"),
        (b'{"userId": "ann"}', "bad_request", "event is missing"),
        (b'{"userId": "ann", "event": "x", "timestamp": "soon"}', "bad_request", "timestamp"),
    ],
)
async def test_an_event_that_cannot_be_stored_says_why(http: httpx.AsyncClient, db: Database, body: bytes, code: str, says: str) -> None:
    answer = await http.post("/v1/track", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == (400 if code else 200)
    if code:
        assert answer.json()["code"] == code
        assert says in answer.json()["detail"]
    assert (await db.rows("select count(*) from event"))[0][0] == (0 if code else 1)


async def test_an_event_of_ga4_brings_its_items_order_and_prices(http: httpx.AsyncClient, db: Database, catalogue: dict[str, int]) -> None:
    items = [{"item_id": "a", "price": 10, "quantity": 2}, {"item_id": "b", "price": 3.5}]
    body = message(event="purchase", properties={"transaction_id": "T1", "currency": "GBP", "value": 23.5, "items": items})
    assert (await http.post("/v1/track", json=body)).json()["accepted"] == 1
    rows = await db.rows("select group_no, kind, quantity, value, order_key is not null from event order by event_no")
    assert [tuple(row) for row in rows] == [(catalogue["a"], 7, 2.0, 10.0, True), (catalogue["b"], 7, 1.0, 3.5, True)]


@pytest.fixture
def intake(db: Database, keys: DataKeys) -> Intake:
    """An intake with little room."""
    return Intake(db, keys, most_bytes=5_000)


async def test_requests_that_wait_together_share_a_transaction(intake: Intake, db: Database, tenant: int) -> None:
    stored = await asyncio.gather(*(intake.store(tenant, [[event(n, f"u{n}")]]) for n in range(8)))
    assert [one.landed for one in stored] == [{0}] * 8
    assert (await db.rows("select count(distinct xid) from event"))[0][0] == 1


async def test_the_same_message_of_two_requests_in_one_transaction_lands_once(intake: Intake, db: Database, tenant: int) -> None:
    first, second = await asyncio.gather(intake.store(tenant, [[event(1)], [event(2)]]), intake.store(tenant, [[event(3)], [event(1)]]))
    assert (first.landed, first.doubles) == ({0, 1}, set())
    assert (second.landed, second.doubles) == ({0}, {1})
    assert (await db.rows("select count(*) from event"))[0][0] == 3


async def test_a_request_that_the_database_refuses_costs_the_others_nothing(intake: Intake, db: Database, tenant: int) -> None:
    poisoned = event(5, "bad")
    poisoned.name = "a\0b"
    results = await asyncio.gather(
        intake.store(tenant, [[event(1)]]), intake.store(tenant, [[poisoned]]), intake.store(tenant, [[event(2)]]), return_exceptions=True
    )
    assert [isinstance(one, Exception) for one in results] == [False, True, False]
    assert (await db.rows("select count(*) from event"))[0][0] == 2


async def test_a_full_buffer_sends_senders_away_and_takes_them_again_later(intake: Intake, db: Database, tenant: int) -> None:
    def request(first: int) -> list[list[Event]]:
        return [[event(first + n, f"u{n}")] for n in range(5)]

    waiting = [asyncio.create_task(intake.store(tenant, request(100 * n))) for n in range(6)]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    refused = [one for one in results if isinstance(one, Unavailable)]
    assert 0 < len(refused) < 6
    assert all(int(one.headers["Retry-After"]) >= 1 for one in refused)
    assert (await db.rows("select count(*) from event"))[0][0] == 5 * (6 - len(refused))
    assert (await intake.store(tenant, request(900))).landed == set(range(5))


async def test_a_request_larger_than_the_buffer_is_stored_when_nothing_waits(intake: Intake, tenant: int) -> None:
    assert len((await intake.store(tenant, [[event(n, f"u{n}")] for n in range(50)])).landed) == 50


async def test_a_sender_that_goes_away_leaves_the_others_stored(intake: Intake, db: Database, tenant: int) -> None:
    gone = asyncio.create_task(intake.store(tenant, [[event(1)]]))
    stays = asyncio.create_task(intake.store(tenant, [[event(2)]]))
    await asyncio.sleep(0)
    gone.cancel()
    assert (await stays).landed == {0}
    # what was in no transaction yet is not stored for a sender who was told nothing
    assert (await db.rows("select count(*) from event"))[0][0] == 1


async def test_an_id_that_is_claimed_while_the_generations_rotate_is_remembered_in_the_new_one(db: Database, put: Put) -> None:
    async with db.begin() as rotating:
        await rotating.execute(text("truncate seen_1"))
        claiming = asyncio.create_task(put(event(1)))
        async with asyncio.timeout(10):
            while True:
                if await db.rows("select 1 from pg_locks where not granted"):
                    break
                await asyncio.sleep(0.01)
        await rotating.execute(text("update seen_generation set current = 1"))
    assert (await claiming).landed == [0]
    assert [row[0] for row in await db.rows("select (select count(*) from seen_0) || '/' || (select count(*) from seen_1)")] == ["0/1"]
    assert (await put(event(1))).duplicates == [0]


async def test_requests_that_come_during_a_commit_share_the_next_ones_and_find_a_lane_again_after_a_rest(
    intake: Intake, db: Database, tenant: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.data.events.intake._LINGER_S", 0.01)
    for turn in range(4):
        stored = await asyncio.gather(*(intake.store(tenant, [[event(10 * turn + n, f"u{n}")]]) for n in range(4)))
        assert [one.landed for one in stored] == [{0}] * 4
        await asyncio.sleep(0.005 * turn)
    await intake.close()
    assert (await db.rows("select count(*) from event"))[0][0] == 16


async def test_a_connection_that_died_while_its_lane_rested_is_replaced(intake: Intake, db: Database, tenant: int) -> None:
    await intake.store(tenant, [[event(1)]])
    await db.run("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()")
    await asyncio.sleep(0.1)
    assert (await intake.store(tenant, [[event(2)]])).landed == {0}
    await intake.close()
