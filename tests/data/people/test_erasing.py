"""Erasure of people, in PostgreSQL and Redis."""

import asyncio
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidTag

from app.core import redis
from app.core.db import Database
from app.core.ids import facts_key, person_key, person_keys, state_key
from app.core.settings import Settings
from app.data.events import store as events_store
from app.data.events.accept import accept
from app.data.facts import packed
from app.data.identity.domain import email_identity
from app.data.identity.vault import DataKeys
from app.data.kinds import Kind
from app.data.online.publisher import Publisher
from app.data.people import states
from app.data.privacy import consent, erasing
from app.data.profiles.state_codec import Published
from tests.data.conftest import Put, event
from tests.data.people.test_merges import ANN, BOB, PHONE, groups, state_of


@pytest.fixture
def applier(db: Database, settings: Settings, publisher: Publisher, tenant: int) -> states.Applier:
    return states.Applier(db, settings, publisher, tenant)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker runs beside: nobody is waited for."""
    monkeypatch.setattr(consent.wait_applied, "__defaults__", (0.0,))


async def value(publisher: Publisher, name: str) -> Any:
    (node,) = publisher.nodes.known()
    return await node.client.get(name)


async def test_an_erased_person_is_nowhere_and_the_receipt_says_so(
    http: httpx.AsyncClient, put: Put, applier: states.Applier, publisher: Publisher, db: Database, tenant: int, catalogue: dict[str, int]
) -> None:
    await put(
        event(1, item="a", identities=(PHONE,), payload=b"one"),
        event(2, item="b", kind=Kind.PURCHASE, identities=(ANN, PHONE), payload=b"two"),
    )
    await put(event(3, user="bob"))
    await applier.apply()
    (node,) = publisher.nodes.known()
    lists = [person_keys(tenant, person_key(tenant, *one), "personal", "", "")[1] for one in (ANN, PHONE, BOB)]
    for name in lists:
        await node.client.set(name, b"list")
    receipt = (await http.delete("/v1/admin/people/ann")).json()
    assert {key: receipt[key] for key in ("ids", "events", "applied")} == {"ids": 2, "events": 2, "applied": False}
    assert await erasing.deliver(db, publisher, tenant) == 1
    assert [row[0] for row in await db.rows("select value from person_identity")] == ["bob"]
    for table in ("person", "person_state"):
        assert (await db.rows(f"select count(*) from {table}"))[0][0] == 1
    assert (await db.rows("select count(*) from person_merge"))[0][0] == 0
    assert (await db.rows("select count(*) from event left join person using (tenant, person_no) where data_key is null"))[0][0] == 2
    assert [await state_of(publisher, one) is None for one in (ANN, PHONE, BOB)] == [True, True, False]
    assert [await value(publisher, name) for name in lists] == [None, None, b"list"]
    assert (await http.delete("/v1/admin/people/ann")).status_code == 404


async def test_payloads_of_an_erased_person_can_be_read_by_nobody(
    put: Put, db: Database, settings: Settings, keys: DataKeys, tenant: int
) -> None:
    await put(event(1, user="ann", payload=b"secret"))
    ((number, sealed),) = await db.rows("select person_no, data_key from person")
    ((payload,),) = await db.rows("select payload from event")
    assert keys.cipher(number, sealed).unseal(payload) == b"secret"
    await erasing.erase(db, settings, tenant, ANN)
    await put(event(2, user="ann", payload=b"new"))
    ((again, sealed),) = await db.rows("select person_no, data_key from person")
    assert again != number
    with pytest.raises(InvalidTag):
        keys.cipher(again, sealed).unseal(payload)


async def test_a_late_event_begins_a_new_person_without_history(
    put: Put, applier: states.Applier, publisher: Publisher, db: Database, settings: Settings, tenant: int, catalogue: dict[str, int]
) -> None:
    await put(event(1, item="a", identities=(ANN, PHONE)))
    await applier.apply()
    await erasing.erase(db, settings, tenant, ANN)
    await put(event(2, item="b", identities=(ANN,)))
    await applier.apply()
    await erasing.deliver(db, publisher, tenant)
    ann = await state_of(publisher, ANN)
    assert ann is not None
    assert ann.groups.tolist() == [catalogue["b"]]
    assert await state_of(publisher, PHONE) is None


async def test_a_state_that_was_read_before_the_erasure_does_not_come_back(
    put: Put, applier: states.Applier, publisher: Publisher, db: Database, settings: Settings, tenant: int, catalogue: dict[str, int]
) -> None:
    await put(event(1, identities=(ANN, PHONE)))
    await applier.apply()
    (old,) = [Published(key, state, others, person, facts) for person, key, state, others, facts in await _states(db, tenant)]
    assert old.facts
    await erasing.erase(db, settings, tenant, ANN)
    await erasing.deliver(db, publisher, tenant)
    assert not await publisher.publish(tenant, [old])
    assert await state_of(publisher, ANN) is None
    assert await state_of(publisher, PHONE) is None
    (node,) = publisher.nodes.known()
    for kind, value in (ANN, PHONE):
        assert packed.read(await node.client.get(facts_key(tenant, person_key(tenant, kind, value)))) is None


async def _states(db: Database, tenant: int) -> Any:
    from app.data.profiles import store

    return await store.states(db, tenant, -1, 10)


async def test_a_message_that_is_being_stored_does_not_bring_the_person_back(
    db: Database, settings: Settings, keys: DataKeys, put: Put, tenant: int
) -> None:
    await put(event(1, identities=(ANN,)))
    async with db.begin() as connection:
        await accept(
            connection, tenant, [event(2, identities=(ANN, PHONE), traits={"name": "Ann"}, payload=b"x")], keys=keys,
            claim=lambda ids: events_store.claim_messages(connection, tenant, ids),
        )  # fmt: skip
        waiting = asyncio.create_task(erasing.erase(db, settings, tenant, ANN))
        await asyncio.sleep(0.2)
        assert not waiting.done()
    receipt = await waiting
    assert receipt is not None
    assert (receipt.ids, receipt.events) == (2, 2)
    assert (await db.rows("select count(*) from person"))[0][0] == 0


async def test_ids_read_before_an_erasure_lead_to_nobody_after_it(
    db: Database, settings: Settings, keys: DataKeys, put: Put, tenant: int
) -> None:
    await put(event(1, identities=(ANN,)))
    async with db.begin() as connection:

        async def late(ids: Any) -> set[bytes]:
            await erasing.erase(db, settings, tenant, ANN)
            return set(ids)

        told = await accept(connection, tenant, [event(2, identities=(ANN,), former=(BOB,), traits={"a": 1})], keys=keys, claim=late)
        assert told.landed == [0]
    assert [row[0] for row in await db.rows("select value from person_identity")] == ["bob"]


async def test_an_erasure_waits_for_a_redis_that_is_away_and_nodes_with_an_old_copy_are_cleaned(
    put: Put, applier: states.Applier, publisher: Publisher, db: Database, settings: Settings, tenant: int, catalogue: dict[str, int]
) -> None:
    await put(event(1, user="ann"), event(2, user="bob"))
    await applier.apply()
    name = state_key(tenant, person_key(tenant, *ANN))
    copy = await value(publisher, name)
    await erasing.erase(db, settings, tenant, ANN)
    nodes, publisher.nodes = publisher.nodes, redis.Nodes("redis://127.0.0.1:1/0")
    with pytest.raises(erasing.NotErased):
        await erasing.deliver(db, publisher, tenant)
    publisher.nodes = nodes
    assert await erasing.deliver(db, publisher, tenant) == 1
    (node,) = nodes.known()
    await node.client.flushall()
    await node.client.set(name, copy)
    assert await state_of(publisher, ANN) is not None
    await states.keep_whole(db, settings, publisher, tenant)
    assert await state_of(publisher, ANN) is None
    assert await state_of(publisher, BOB) is not None


async def test_the_keys_of_erased_people_are_forgotten_once_no_copy_can_hold_them(
    put: Put, publisher: Publisher, db: Database, settings: Settings, tenant: int
) -> None:
    await put(event(1, user="ann"))
    await erasing.erase(db, settings, tenant, ANN)
    await erasing.deliver(db, publisher, tenant)
    await erasing.forget_keys(db, settings)
    assert (await db.rows("select payload ? 'keys' from outbox"))[0][0] is True
    await db.run("update outbox set confirmed_at = now() - make_interval(days => :days)", days=settings.state_ttl_days + 1)
    await erasing.forget_keys(db, settings)
    assert (await db.rows("select payload ? 'keys' from outbox"))[0][0] is False


async def test_a_person_without_user_id_is_erased_by_another_id_with_what_was_refused(
    http: httpx.AsyncClient, put: Put, db: Database
) -> None:
    mail = email_identity("ann@shop.example")
    assert mail is not None
    # refused before anybody was known, and after
    for _ in range(2):
        message = {"type": "track", "event": "x" * 300, "anonymousId": "phone", "messageId": "m"}
        assert (await http.post("/v1/batch", json={"batch": [message]})).json()["accepted"] == 0
        await put(event(1, identities=(mail, PHONE)))
    kept = (await db.rows("select count(*) from refused_event"))[0][0]
    assert kept
    assert (await http.delete("/v1/admin/people/phone")).status_code == 404
    assert (await http.get("/v1/admin/people/phone/merges", params={"by": "anonymous_id"})).json()["merges"][0]["together"] is True
    receipt = (await http.delete(f"/v1/admin/people/{mail[1].upper()}", params={"by": "email_sha256"})).json()
    assert (receipt["ids"], receipt["events"]) == (2, 1)
    assert (await db.rows("select count(*) from refused_event"))[0][0] == 0


async def test_an_id_that_an_erased_person_had_no_room_for_goes_to_the_next(
    db: Database, settings: Settings, keys: DataKeys, tenant: int
) -> None:
    told = [event(1, identities=(ANN, (2, "first"))), event(2, identities=(ANN, PHONE)), event(3, identities=(BOB, PHONE))]
    async with db.begin() as connection:
        await accept(
            connection, tenant, told,
            keys=keys, claim=lambda ids: events_store.claim_messages(connection, tenant, ids), most_ids=2,
        )  # fmt: skip
    assert await groups(db) == {("ann", "first"), ("phone",), ("bob",)}
    await erasing.erase(db, settings, tenant, ANN)
    assert await groups(db) == {("bob", "phone")}
