"""Merges of people: who is one, what they share, and that it does not matter what came first."""

import asyncio
import hashlib
import itertools
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import httpx
import numpy as np
import pytest

from app.access import service as access_service
from app.access.domain import ClientKind, KeyKind, Scope
from app.access.runtime import Access
from app.access.schemas import NewClient, NewKey
from app.core.db import Database
from app.core.ids import person_key, state_key
from app.core.settings import Settings
from app.data.events import store as events_store
from app.data.events.accept import accept
from app.data.events.domain import Event, message_key
from app.data.identity.traits import traits_of
from app.data.identity.vault import DataKeys
from app.data.kinds import Kind
from app.data.online.publisher import Publisher
from app.data.people import states
from app.data.privacy import consent, erasing
from app.data.profiles.state_codec import State, unpack_pointer, unpack_state
from app.ml import dataset
from app.ml.dataset import Window
from app.ml.popularity import store as popularity
from app.sends import store as sends
from app.sends.domain import Send, Status
from app.serving.clickback.queue import response
from app.serving.path.people_db import PeopleDatabase
from app.serving.record.writers import write_responses
from app.serving.render.links import Served
from app.serving.watch import unconfirmed
from tests.data.conftest import Put, event

Ids = tuple[tuple[int, str], ...]
ANN, BOB, EVE = (1, "ann"), (1, "bob"), (1, "eve")
PHONE, LAPTOP, MAIL = (2, "phone"), (2, "laptop"), (3, "mail")


@pytest.fixture
def applier(db: Database, settings: Settings, publisher: Publisher, tenant: int) -> states.Applier:
    return states.Applier(db, settings, publisher, tenant)


async def groups(db: Database) -> set[tuple[str, ...]]:
    rows = await db.rows(
        "select array_agg(value order by value) from person_identity join person using (tenant, person_no) group by root_no"
    )
    return {tuple(row[0]) for row in rows}


async def roots(db: Database) -> set[str]:
    rows = await db.rows("select value from person_identity join person using (tenant, person_no) where root_no = person_no")
    return {row[0] for row in rows}


async def state_of(publisher: Publisher, identity: tuple[int, str]) -> State | None:
    (node,) = publisher.nodes.known()
    value = await node.client.get(state_key(1, person_key(1, *identity)))
    if value is not None and (primary := unpack_pointer(value)):
        value = await node.client.get(state_key(1, primary))
    return None if value is None else unpack_state(value)


def messages() -> list[Event]:
    """Two users on shared devices, an address, an alias in a circle, and what came before anybody was known."""
    return [
        event(1, item="a", identities=(PHONE,)),
        event(2, item="b", identities=(ANN, PHONE)),
        event(3, item="c", identities=(BOB, PHONE)),
        event(4, item="a", identities=(MAIL, LAPTOP)),
        event(5, item="b", identities=(BOB, MAIL)),
        event(6, item="c", identities=(LAPTOP,)),
        event(7, item=None, kind=Kind.NONE, identities=(EVE,), former=((1, "eve-old"), (2, "eve-old"))),
        event(8, item=None, kind=Kind.NONE, identities=((1, "eve-old"),), former=(EVE, (2, "eve"))),
        event(9, item="a", identities=((2, "eve-old"),)),
    ]


GROUPS = {("ann", "phone"), ("bob", "laptop", "mail"), ("eve", "eve", "eve-old", "eve-old")}


async def _empty(db: Database) -> None:
    await db.run("truncate person, person_identity, person_merge, person_state, event, seen_0, seen_1, outbox cascade")


async def test_groups_and_their_states_do_not_depend_on_order_repetition_or_batches(
    put: Put, db: Database, settings: Settings, publisher: Publisher, tenant: int, catalogue: dict[str, int]
) -> None:
    seen = set()
    for seed in range(12):
        await _empty(db)
        dice = random.Random(seed)
        sent = messages()
        dice.shuffle(sent)
        sent += dice.choices(sent, k=3)
        while sent:
            size = dice.randint(1, 4)
            batch = {one.message_id: one for one in sent[:size]}
            await put(*batch.values())
            sent = sent[size:]
        assert await groups(db) == GROUPS
        await db.run("delete from log_position")
        await states.Applier(db, settings, publisher, tenant).apply()
        await states.deliver(db, settings, publisher, tenant)
        found = []
        for identity in (ANN, PHONE, BOB, MAIL, LAPTOP, EVE, (1, "eve-old"), (2, "eve-old")):
            state = await state_of(publisher, identity)
            assert state is not None
            found.append((tuple(state.groups.tolist()), tuple(state.times.tolist())))
        seen.add((tuple(found), frozenset(await roots(db))))
        assert len(await db.rows("select 1 from person_state")) == 3
    assert len(seen) == 1
    ((found, _),) = seen
    a, b, c = (catalogue[name] for name in "abc")
    assert [one[0] for one in found] == [(a, b)] * 2 + [(a, b, c)] * 3 + [(a,)] * 3


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_transactions_at_the_same_time_form_the_same_groups(db: Database, keys: DataKeys, tenant: int, order: Sequence[int]) -> None:
    every = messages()
    parts = [every[0::3], every[1::3], every[2::3]]

    async def write(events: list[Event]) -> None:
        for _ in range(5):
            try:
                async with db.begin() as connection:
                    await accept(
                        connection, tenant, events, keys=keys, claim=lambda ids: events_store.claim_messages(connection, tenant, ids)
                    )
                return
            except Exception as error:  # what intake answers with 503, and senders repeat
                if "deadlock" not in str(error).lower():
                    raise

    await asyncio.gather(*(write(parts[place]) for place in order))
    assert await groups(db) == GROUPS


async def test_a_link_that_another_transaction_has_not_committed_yet_is_waited_for(db: Database, keys: DataKeys, tenant: int) -> None:
    async def write(one: Event, wait: asyncio.Event | None, done: asyncio.Event | None) -> None:
        async with db.begin() as connection:
            await accept(connection, tenant, [one], keys=keys, claim=lambda ids: events_store.claim_messages(connection, tenant, ids))
            if done:
                done.set()
            if wait:
                await wait.wait()

    async with db.begin() as connection:
        await accept(
            connection,
            tenant,
            [event(0, identities=(one,)) for one in (ANN, BOB, EVE)],
            keys=keys,
            claim=lambda ids: events_store.claim_messages(connection, tenant, ids),
        )
    linked, go = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(write(event(1, identities=(ANN,), former=(BOB,)), go, linked))
    await linked.wait()
    second = asyncio.create_task(write(event(2, identities=(EVE,), former=(BOB,)), None, None))
    await asyncio.sleep(0.2)
    assert not second.done()
    go.set()
    await asyncio.gather(first, second)
    assert await groups(db) == {("ann", "bob", "eve")}


async def test_nothing_is_lost_when_two_known_people_are_merged(
    put: Put, applier: states.Applier, publisher: Publisher, db: Database, catalogue: dict[str, int]
) -> None:
    await put(event(1, item="a", kind=Kind.PURCHASE, identities=(ANN,)), event(2, item="b", kind=Kind.PURCHASE, identities=(BOB,)))
    await applier.apply()
    assert len(await db.rows("select 1 from person_state")) == 2
    await put(event(3, item=None, kind=Kind.NONE, identities=(ANN,), former=(BOB,)))
    await applier.apply()
    for one in (ANN, BOB):
        state = await state_of(publisher, one)
        assert state is not None
        assert sorted(state.bought.tolist()) == sorted((catalogue["a"], catalogue["b"]))
    assert len(await db.rows("select 1 from person_state")) == 1


async def test_an_earlier_claim_that_comes_late_takes_the_device_from_who_had_it(
    put: Put, applier: states.Applier, publisher: Publisher, db: Database, settings: Settings, tenant: int, catalogue: dict[str, int]
) -> None:
    await put(event(5, item="b", identities=(PHONE,)), event(6, item="c", identities=(BOB, PHONE)))
    await applier.apply()
    await put(event(2, item="a", identities=(ANN, PHONE)))
    await applier.apply()
    await states.deliver(db, settings, publisher, tenant)
    bob, ann = await state_of(publisher, BOB), await state_of(publisher, ANN)
    assert bob is not None
    assert ann is not None
    assert bob.groups.tolist() == [catalogue["c"]]
    assert ann.groups.tolist() == [catalogue["a"], catalogue["b"]]


async def test_a_refusal_of_one_holds_for_all_who_are_merged_until_a_later_yes(
    put: Put, db: Database, settings: Settings, publisher: Publisher, applier: states.Applier, tenant: int, catalogue: dict[str, int]
) -> None:
    await put(event(1, identities=(PHONE,)))
    await applier.apply()
    await consent.set_consent(db, settings, tenant, "ann", False)
    told = await put(event(2, identities=(ANN, PHONE)), event(3, identities=(PHONE,)))
    assert told.no_consent == [0, 1]
    await states.deliver(db, settings, publisher, tenant)
    for one in (ANN, PHONE):
        state = await state_of(publisher, one)
        assert state is not None
        assert (state.consent, len(state.groups)) == (False, 0)
    await put(event(4, identities=(BOB,), former=(ANN,)))
    assert [row[0] for row in await db.rows("select distinct consent from person")] == [0]
    await consent.set_consent(db, settings, tenant, "bob", True)
    assert [row[0] for row in await db.rows("select distinct consent from person")] == [1]
    assert (await put(event(5, identities=(PHONE,)))).landed == [0]


async def test_a_person_has_at_most_so_many_ids_the_earliest(db: Database, keys: DataKeys, tenant: int) -> None:
    for numbers in ((5, 4, 3), (2, 1), (0,)):
        async with db.begin() as connection:
            await accept(
                connection,
                tenant,
                [event(n, identities=(ANN, (2, f"cookie{n}"))) for n in numbers],
                keys=keys,
                claim=lambda ids: events_store.claim_messages(connection, tenant, ids),
                most_ids=3,
            )
    assert await groups(db) == {("ann", "cookie0", "cookie1"), *((f"cookie{n}",) for n in range(2, 6))}


async def test_traits_and_country_told_last_stay_whatever_came_first(put: Put, db: Database) -> None:
    later = event(9, country="GB", traits={"size": 40, "name": "Ann"})
    sooner = event(2, country="DE", traits={"size": 38, "old": [1]}, message_id=message_key("x"))
    for order in ((later, sooner), (sooner, later)):
        await _empty(db)
        for one in order:
            await put(one)
        ((told, country),) = await db.rows("select traits::text, country from person")
        assert {name: one.value for name, one in traits_of([told]).items()} == {"size": 40, "name": "Ann", "old": ["1"]}
        assert country == "GB"


async def _send(http: httpx.AsyncClient, what: str, **message: object) -> None:
    answer = await http.post(f"/v1/{what}", json=message)
    assert (answer.status_code, answer.json().get("accepted")) == (200, 1), answer.text


@pytest.mark.parametrize("turn", [1, -1])
async def test_identify_and_alias_merge_and_an_e_mail_address_is_an_id(http: httpx.AsyncClient, db: Database, turn: int) -> None:
    address = hashlib.sha256(b"ann@shop.example").hexdigest()
    sent: list[tuple[str, dict[str, object]]] = [
        ("track", {"event": "x", "anonymousId": "phone"}),
        ("identify", {"userId": "ann", "anonymousId": "phone", "traits": {"email": " Ann@Shop.Example "}}),
        ("track", {"event": "x", "anonymousId": "laptop", "context": {"traits": {"email": "ann@shop.example"}}}),
        ("track", {"event": "x", "anonymousId": "till", "properties": {"email": "ANN@shop.example"}}),
        ("identify", {"userId": "bob", "traits": {"email": "no address"}}),
        ("alias", {"userId": "ann2", "previousId": "ann"}),
        ("alias", {"userId": "bob", "previousId": "bobs-cookie"}),
        ("track", {"event": "x", "anonymousId": "bobs-cookie"}),
        ("alias", {"userId": "bob", "previousId": "bob"}),
    ]
    for number, (what, message) in list(enumerate(sent))[::turn]:
        await _send(http, what, **message, messageId=f"m{number}", timestamp=f"2026-01-01T00:00:{number:02}Z")
    # a previous id may be a user's or an anonymous one, so both are hers
    hers, his = ("ann", "ann", "ann2", "phone", "laptop", "till", address), ("bob", "bobs-cookie", "bobs-cookie")
    assert await groups(db) == {tuple(sorted(hers)), his}


async def test_two_users_are_not_merged_by_a_device_or_an_address_but_by_an_alias(http: httpx.AsyncClient, db: Database) -> None:
    for user in ("ann", "bob"):
        await _send(http, "identify", userId=user, anonymousId="kiosk", traits={"email": "family@shop.example"})
    assert len({found for found in await groups(db) if "ann" in found or "bob" in found}) == 2
    await _send(http, "alias", userId="ann", previousId="bob")
    assert len(await groups(db)) == 1


async def test_a_public_key_links_nobody(http: httpx.AsyncClient, db: Database, settings: Settings, access: Access, tenant: int) -> None:
    client = await access_service.create_client(
        db, settings, tenant, NewClient(name="page", kind=ClientKind.WEBSITE, scopes=[Scope.EVENTS], origins=["https://shop.example"])
    )
    key = await access_service.create_key(db, tenant, client.client_id, NewKey(kind=KeyKind.WEBSITE, origins=["https://shop.example"]))
    await access.refresh()
    await _send(http, "identify", userId="ann", traits={"email": "ann@shop.example"})
    for what, more in (("identify", {"traits": {"email": "ann@shop.example"}}), ("alias", {"previousId": "ann"})):
        message = {"userId": "ann", "anonymousId": "thief", **more}
        answer = await http.post(f"/v1/{what}", json=message, headers={"X-Api-Key": key.key, "Origin": "https://shop.example"})
        assert answer.status_code == 200, answer.text
    assert ("thief",) in await groups(db)


async def test_all_that_reads_events_by_person_takes_a_group_for_one(
    put: Put, db: Database, settings: Settings, applier: states.Applier, publisher: Publisher, tenant: int, catalogue: dict[str, int]
) -> None:
    await put(event(1, item="a", kind=Kind.PURCHASE, identities=(PHONE,)), event(2, item="b", identities=(ANN,), country="GB"))
    await put(event(3, item="c", identities=(ANN, PHONE)), event(4, item="a", user="bob"))
    window = Window(datetime(2023, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
    data = await dataset.read(db, tenant, window, default_consent=True)
    assert (data.people, sorted(np.bincount(data.person))) == (2, [1, 3])
    async with db.begin() as connection:
        await popularity.refresh(
            connection, tenant, datetime(2024, 1, 2, tzinfo=UTC), window_days=90, half_life_days=14.0, default_consent=1, most=10,
            least_people=1, most_lists=10, told=datetime(2024, 1, 2, tzinfo=UTC),
            weights=[0.0] + [1.0] * 7,
        )  # fmt: skip
        lists = {row.segment: row.groups for row in await popularity.lists(connection, tenant)}
    assert sorted(lists["country:GB"]) == sorted(catalogue[name] for name in "abc")  # the phone's purchase too
    await applier.apply()
    people = PeopleDatabase(db, 2000)
    states = [await people.state(tenant, person_key(tenant, *one)) for one in (ANN, PHONE)]
    assert [state is not None and state.bought.tolist() for state in states] == [[catalogue["a"]]] * 2
    everyone = Send(
        tenant=tenant, send_no=0, name="", placement="x", start_at=datetime.now(UTC), duration_s=60, everyone=True,
        status=Status.WAITING, note="", created_at=datetime.now(UTC),
    )  # fmt: skip
    assert await sends.count_everyone(db, tenant) == 2
    recipients = await sends.people(db, everyone, -1, 10)
    assert sorted((one.keys or []) for one in recipients) == sorted([[person_key(tenant, 1, "ann")], [person_key(tenant, 1, "bob")]])


async def test_a_click_on_a_link_from_before_the_merge_counts_for_the_whole_person(
    put: Put, db: Database, settings: Settings, applier: states.Applier, publisher: Publisher, tenant: int, catalogue: dict[str, int]
) -> None:
    await put(event(1, item="a", identities=(PHONE,)))
    ((number,),) = await db.rows("select person_no from person")
    await put(event(2, item="b", identities=(ANN, PHONE)))
    ((item,),) = await db.rows("select item_no from item where item_id = 'c'")
    served = Served(tenant, int(time.time()) - 600, 1, b"r" * 16, number, "en", (item,), "")
    await write_responses(db, settings)([response(served, 1, "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")])
    await applier.apply()
    state = await state_of(publisher, ANN)
    assert state is not None
    assert sorted(state.groups.tolist()) == sorted(catalogue[name] for name in "abc")


async def test_people_of_a_former_release_keep_their_ids_and_take_part(put: Put, db: Database) -> None:
    await put(event(1, identities=(ANN,)), event(2, identities=(LAPTOP,)), event(3, identities=(PHONE,)))
    # ann and her laptop were one record
    await db.run(
        "update person_identity set is_primary = false, person_no = (select person_no from person_identity where value = 'ann') "
        "where value = 'laptop'"
    )
    await db.run("delete from person where person_no not in (select person_no from person_identity)")
    await put(event(4, identities=(BOB, LAPTOP)), event(5, identities=(ANN, PHONE)))
    assert await groups(db) == {("ann", "laptop", "phone"), ("bob",)}
    await put(event(6, identities=(EVE,), former=(ANN,)))
    assert await groups(db) == {("ann", "eve", "laptop", "phone"), ("bob",)}


async def test_servers_doubt_all_ids_of_people_whose_merge_or_erasure_is_open(
    put: Put, db: Database, settings: Settings, tenant: int
) -> None:
    await put(event(5, identities=(PHONE,)), event(6, identities=(BOB, PHONE)))
    await put(event(2, identities=(ANN, PHONE)))  # takes the phone from bob
    assert {bytes(row[1]) for row in await db.rows(unconfirmed._OPEN, most=10)} >= {person_key(tenant, *BOB)}
    await erasing.erase(db, settings, tenant, ANN)
    keys = {bytes(row[1]) for row in await db.rows(unconfirmed._OPEN, most=10)}
    assert keys == {person_key(tenant, *one) for one in (ANN, PHONE, BOB)}
