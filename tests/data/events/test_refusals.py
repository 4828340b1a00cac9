"""Refused events: kept whole with the reason, put right, replayed once, and never kept against somebody's will."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest

from app.access import service as access_service
from app.access.domain import ClientKind, Scope
from app.access.runtime import Access
from app.access.schemas import NewClient, NewKey
from app.core.db import Database
from app.core.settings import Settings
from app.data.events.formats.segment_api import LARGEST_EVENT, Arrival
from app.data.events.refused import refusal, service, store
from app.data.events.refused.refusal import Fix, Refusal
from app.data.events.refused.service import Refusals
from app.data.identity.vault import DataKeys

ADMIN = "/v1/admin/refused-events"
ARRIVAL = Arrival(datetime(2026, 5, 1, 10, tzinfo=UTC))


def message(**more: Any) -> dict[str, Any]:
    return {"type": "track", "userId": "ann", "event": "Product Viewed", "properties": {"product_id": "a"}, **more}


async def stored(db: Database) -> list[tuple[str, str]]:
    return [tuple(row) for row in await db.rows("select name, kind::text from event order by event_no")]


async def listed(http: httpx.AsyncClient, **given: Any) -> list[dict[str, Any]]:
    answer = await http.get(ADMIN, params=given)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["refused"])


async def test_a_refused_event_of_a_batch_is_kept_whole_while_the_others_land(http: httpx.AsyncClient, db: Database) -> None:
    wrong = message(timestamp="yesterday", messageId="m2", context={"page": {"title": "Schöne Schuhe ☂"}})
    answer = await http.post("/v1/batch", json={"batch": [message(messageId="m1"), wrong]})
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    (one,) = await listed(http)
    assert (one["reason"], one["call"], one["client"], one["known_person"]) == ("timestamp is not a date", "batch", "a shop", False)
    whole = (await http.get(f"{ADMIN}/{one['refused_no']}")).json()
    assert whole["message"] == wrong


async def test_the_same_refused_batch_sent_again_is_kept_once(http: httpx.AsyncClient) -> None:
    for _ in range(3):
        await http.post("/v1/batch", json={"batch": [message(timestamp="yesterday")]})
    assert len(await listed(http)) == 1


async def test_what_a_known_person_sent_is_encrypted_with_their_key_and_goes_with_them(http: httpx.AsyncClient, db: Database) -> None:
    await http.post("/v1/track", json=message(messageId="m1"))
    await http.post("/v1/track", json=message(timestamp="yesterday", secret="walnut"))
    rows = await db.rows("select person_no, payload from refused_event")
    assert rows[0][0] is not None
    assert b"walnut" not in rows[0][1]
    assert (await listed(http))[0]["known_person"]
    await db.run("delete from person")
    assert await listed(http) == []


async def test_what_a_person_sent_who_is_erased_at_that_moment_belongs_to_nobody_but_is_kept(
    db: Database, settings: Settings, tenant: int, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await http.post("/v1/track", json=message(messageId="m1"))
    ask = service.identities.known_of

    async def then_erased(*given: Any) -> Any:
        found = await ask(*given)
        await db.run("delete from person")
        return found

    monkeypatch.setattr(service.identities, "known_of", then_erased)
    refusals = Refusals(db, DataKeys(settings), most_bytes=1_000_000)
    refused = refusal.refused(message(timestamp="yesterday"), "timestamp is not a date", "track", ARRIVAL, 1)
    assert refused is not None
    await refusals.keep(tenant, [refused])
    (one,) = await listed(http)
    assert not one["known_person"]


async def test_nothing_is_kept_of_a_person_who_withdrew_consent(http: httpx.AsyncClient) -> None:
    await http.put("/v1/admin/people/ann/consent", json={"personalisation": False})
    await http.post("/v1/batch", json={"batch": [message(timestamp="yesterday"), message()]})
    assert await listed(http) == []


@pytest.mark.parametrize(
    ("call", "body", "status"),
    [
        ("track", b'{"userId": "ann", "event": NaN}', 400),
        ("track", b'{"userId": "\\ud800"}', 400),
        ("batch", b'{"batch": "none"}', 400),
        ("batch", b"\xff\xfe", 400),
        ("identify", orjson.dumps(message(context={"long": "x" * LARGEST_EVENT})), 400),
    ],
)
async def test_a_body_that_cannot_be_read_is_kept_as_it_came(http: httpx.AsyncClient, call: str, body: bytes, status: int) -> None:
    answer = await http.post(f"/v1/{call}", content=body)
    assert answer.status_code == status
    (one,) = await listed(http)
    assert (one["whole_body"], one["call"], one["reason"]) == (True, call, answer.json()["detail"])
    whole = (await http.get(f"{ADMIN}/{one['refused_no']}")).json()
    assert whole["message"] == body.decode("utf-8", "backslashreplace")


async def test_a_body_of_nobody_who_may_send_is_not_kept(http: httpx.AsyncClient) -> None:
    for headers in ({"X-Api-Key": "wrong"}, {"X-Api-Key": ""}):
        answer = await http.post("/v1/track", content=b"{", headers=headers)
        assert answer.status_code in (400, 401)
    assert await listed(http) == []


async def test_a_fixed_event_is_stored_once_at_the_time_it_first_came_and_forgotten_here(http: httpx.AsyncClient, db: Database) -> None:
    await http.post("/v1/track", json=message(event="", messageId="m1"))
    (one,) = await listed(http)
    path = f"{ADMIN}/{one['refused_no']}/replay"
    again = (await http.post(path)).json()
    assert (again["replayed"], again["still_refused"], again["refused"][0]["reason"]) == (0, 1, "event is missing")
    fixed = (await http.post(path, json={"changes": {"event": "Product Viewed"}})).json()
    assert (fixed["replayed"], fixed["stored"], fixed["still_refused"]) == (1, 1, 0)
    assert await stored(db) == [("Product Viewed", "3")]
    ((same,),) = await db.rows("select abs(extract(epoch from occurred_at - received_at)) < 60 from event")
    assert same
    assert (await http.post(path)).status_code == 404
    assert await listed(http) == []


async def test_a_whole_body_is_replaced_by_what_it_should_have_been(http: httpx.AsyncClient, db: Database) -> None:
    await http.post("/v1/batch", content=b'{"batch": [{"type": "track", ')
    (one,) = await listed(http)
    path = f"{ADMIN}/{one['refused_no']}/replay"
    still = (await http.post(path)).json()
    assert still["refused"][0]["reason"] == "The body is not valid JSON in UTF-8."
    fixed = (await http.post(path, json={"message": {"batch": [message(), message(event="Product Added")]}})).json()
    assert (fixed["replayed"], fixed["stored"]) == (1, 2)
    assert [name for name, _ in await stored(db)] == ["Product Viewed", "Product Added"]


async def test_an_event_nested_deeper_than_can_be_stored_is_kept_too(http: httpx.AsyncClient) -> None:
    deep: Any = 1
    for _ in range(400):
        deep = [deep]
    answer = await http.post("/v1/batch", json={"batch": [message(properties={"deep": deep})]})
    assert answer.json()["refused"] == [{"index": 0, "reason": "the event is nested too deeply"}]
    (one,) = await listed(http)
    kept = (await http.get(f"{ADMIN}/{one['refused_no']}")).json()
    assert kept["message"].count("[") == 400


async def test_all_of_a_reason_are_put_right_in_one_go_and_the_others_stay(http: httpx.AsyncClient, db: Database) -> None:
    wrong = [message(userId=f"u{number}", timestamp="yesterday") for number in range(450)]
    await http.post("/v1/batch", json={"batch": [*wrong, message(event=5)]})
    told = (await http.get(ADMIN, params={"limit": 1})).json()
    assert {one["reason"]: one["count"] for one in told["reasons"]} == {"timestamp is not a date": 450, "event is missing": 1}
    first = (
        await http.post(f"{ADMIN}/replay", json={"reason": "timestamp is not a date", "changes": {"timestamp": None}, "limit": 300})
    ).json()
    assert (first["replayed"], first["stored"]) == (300, 300)
    rest = (await http.post(f"{ADMIN}/replay", json={"changes": {"timestamp": None}})).json()
    assert (rest["replayed"], rest["stored"], rest["still_refused"]) == (150, 150, 1)
    assert len(await stored(db)) == 450
    assert [one["reason"] for one in await listed(http)] == ["event is missing"]


async def test_two_who_replay_at_the_same_moment_store_every_event_once(
    http: httpx.AsyncClient, db: Database, settings: Settings, tenant: int
) -> None:
    await http.post("/v1/batch", json={"batch": [message(userId=f"u{number}", timestamp="yesterday") for number in range(300)]})
    fix = Fix(None, {"timestamp": None})
    told = await asyncio.gather(*(service.replay(db, settings, tenant, None, 1000, fix) for _ in range(3)))
    assert sum(one.events for one in told) == 300
    assert len(await stored(db)) == 300


async def test_an_event_that_landed_meanwhile_is_not_stored_again_by_a_replay(http: httpx.AsyncClient, db: Database) -> None:
    await http.post("/v1/track", json=message(event="", messageId="m1"))
    await http.post("/v1/track", json=message(messageId="m1"))
    told = (await http.post(f"{ADMIN}/replay", json={"changes": {"event": "Product Viewed"}})).json()
    assert (told["replayed"], told["stored"], told["duplicates"]) == (1, 0, 1)
    assert len(await stored(db)) == 1


async def test_a_person_who_refused_after_the_event_came_is_not_stored_by_a_replay(http: httpx.AsyncClient, db: Database) -> None:
    await http.post("/v1/track", json=message(timestamp="yesterday"))
    await http.put("/v1/admin/people/ann/consent", json={"personalisation": False})
    told = (await http.post(f"{ADMIN}/replay", json={"changes": {"timestamp": None}})).json()
    assert (told["stored"], told["no_consent"], told["still_refused"]) == (0, 1, 0)
    assert await stored(db) == []
    assert await listed(http) == []


async def test_public_keys_cannot_take_the_room_of_others(db: Database, settings: Settings, tenant: int) -> None:
    refusals = Refusals(db, DataKeys(settings), most_bytes=20_000)
    public = Arrival(ARRIVAL.received, anonymous_only=True)
    flood = [
        Refusal(b'{"n": %d, "x": "%s"}' % (number, b"x" * 900), "type is missing or unknown", "track", public, 1) for number in range(50)
    ]
    await refusals.keep(tenant, flood)
    await refusals.keep(tenant, [Refusal(b"{}", "type is missing or unknown", "track", ARRIVAL, 1)])
    sizes = await store.sizes(db, tenant)
    assert 8_000 < sizes[True] <= 10_000
    assert sizes[False] > 0


async def test_old_ones_are_forgotten_by_age_and_others_by_number_or_reason(http: httpx.AsyncClient, db: Database) -> None:
    await http.post("/v1/batch", json={"batch": [message(timestamp=f"day {number}") for number in range(4)] + [message(event=1)]})
    await db.run(
        "update refused_event set received_at = now() - interval '40 days' where refused_no = (select min(refused_no) from refused_event)"
    )
    assert await store.drop_old(db, 30) == 1
    one = (await listed(http, reason="event is missing"))[0]["refused_no"]
    assert (await http.delete(f"{ADMIN}/{one}")).json() == {"forgotten": 1}
    assert (await http.delete(f"{ADMIN}/{one}")).status_code == 404
    assert (await http.delete(ADMIN, params={"reason": "timestamp is not a date"})).json() == {"forgotten": 3}
    assert (await http.delete(ADMIN)).status_code == 422


async def test_pages_follow_each_other_without_gap(http: httpx.AsyncClient) -> None:
    await http.post("/v1/batch", json={"batch": [message(timestamp=f"day {number}") for number in range(5)]})
    first = await listed(http, limit=3)
    second = await listed(http, limit=3, before=first[-1]["refused_no"])
    numbers = [one["refused_no"] for one in first + second]
    assert len(numbers) == 5
    assert numbers == sorted(numbers, reverse=True)


async def test_a_fix_names_either_a_message_or_changes(http: httpx.AsyncClient) -> None:
    await http.post("/v1/track", json=message(timestamp="yesterday"))
    (one,) = await listed(http)
    path = f"{ADMIN}/{one['refused_no']}/replay"
    assert (await http.post(path, json={"message": message(), "changes": {}})).status_code == 422
    assert (await http.post(path, json={"messages": []})).status_code == 422


def test_a_merge_patch_changes_adds_and_removes_as_the_standard_says() -> None:
    # the cases of RFC 7396, appendix A
    cases: list[tuple[Any, Any, Any]] = [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ]
    for given, patch, wanted in cases:
        assert refusal.merged(given, patch) == wanted


async def test_who_may_read_the_administration_sees_that_events_were_refused_but_not_what_was_sent(
    http: httpx.AsyncClient, access: Access, db: Database, settings: Settings, tenant: int
) -> None:
    await http.post("/v1/batch", json={"batch": [message(timestamp="yesterday", secret="walnut")]})
    wanted = NewClient(name="reader", kind=ClientKind.SERVICE, scopes=[Scope.ADMIN_READ])
    client = await access_service.create_client(db, settings, tenant, wanted)
    reader = {"X-Api-Key": (await access_service.create_key(db, tenant, client.client_id, NewKey())).key}
    await access.refresh()
    seen = await http.get(ADMIN, headers=reader)
    assert (seen.status_code, "walnut" in seen.text) == (200, False)
    (number,) = (one["refused_no"] for one in seen.json()["refused"])
    for method in ("GET", "HEAD"):
        answer = await http.request(method, f"{ADMIN}/{number}", headers=reader)
        assert answer.status_code in (403, 405)
        assert "walnut" not in answer.text
    assert (await http.get(f"{ADMIN}/{number}", headers=reader)).json()["code"] == "forbidden"
    assert "walnut" in (await http.get(f"{ADMIN}/{number}")).text
