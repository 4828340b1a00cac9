"""State of people: what events say, who writes it, and how it reaches Redis."""

import asyncio
import time
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from app.core.db import Database
from app.core.ids import person_key, state_key
from app.core.redis import Node
from app.core.settings import Settings
from app.data import outbox
from app.data.events import store as events_store
from app.data.events.accept import accept
from app.data.events.domain import message_key
from app.data.identity.vault import DataKeys
from app.data.kinds import Kind
from app.data.online.publisher import Publisher
from app.data.people import states
from app.data.people.rebuild import rebuild
from app.data.privacy import consent
from app.data.profiles import store
from app.data.profiles.codec import NOTHING, unpack_profile
from app.data.profiles.state_codec import Published, State, empty_state, pack_state, state_seq, unpack_pointer, unpack_state
from tests.data.conftest import Put, event


@pytest.fixture
def applier(db: Database, settings: Settings, publisher: Publisher, tenant: int) -> states.Applier:
    return states.Applier(db, settings, publisher, tenant)


def node_of(publisher: Publisher) -> Node:
    """The only Redis there is."""
    (node,) = publisher.nodes.known()
    return node


def client_of(publisher: Publisher) -> Redis:
    """A client of the only Redis there is."""
    return node_of(publisher).client


async def state_of(publisher: Publisher, user: str, kind: int = 1) -> State | None:
    value = await client_of(publisher).get(state_key(1, person_key(1, kind, user)))
    if value is not None and (primary := unpack_pointer(value)):
        value = await client_of(publisher).get(state_key(1, primary))
    return None if value is None else unpack_state(value)


async def test_history_holds_the_strongest_kind_and_the_last_event_of_each_group(
    put: Put, applier: states.Applier, publisher: Publisher, catalogue: dict[str, int]
) -> None:
    await put(
        event(1, item="a"),
        event(2, item="a", kind=Kind.PURCHASE, order_id="o1", quantity=2),
        event(3, item="a", kind=Kind.PURCHASE, order_id="o1", quantity=3),  # the same order told again
        event(4, item="a", kind=Kind.PURCHASE, order_id="o2", quantity=1),
        event(5, item="b"),
        event(6, item="b"),
        event(7, item="a"),
    )
    assert await applier.apply() == 7
    state = await state_of(publisher, "ann")
    assert state is not None
    assert state.groups.tolist() == [catalogue["b"], catalogue["a"]]
    assert state.kinds.tolist() == [Kind.VIEW, Kind.PURCHASE]
    assert state.times.tolist() == [2, 2]
    assert state.amounts.tolist() == [2, 4]
    assert (state.last_at - 1_704_067_200).tolist() == [360, 420]
    assert state.bought.tolist() == [catalogue["a"]]
    assert state.bought_day.tolist() == [1_704_067_200 // 86_400]
    assert state.last_seen == 1_704_067_200 + 420


async def test_variants_of_one_group_are_one_row(
    put: Put, applier: states.Applier, publisher: Publisher, catalogue: dict[str, int]
) -> None:
    await put(event(1, item="d"), event(2, item="e"))
    await applier.apply()
    state = await state_of(publisher, "ann")
    assert state is not None
    assert state.groups.tolist() == [catalogue["d"]]
    assert catalogue["d"] == catalogue["e"]


async def test_events_of_no_kind_or_no_item_count_only_as_seen(
    put: Put, applier: states.Applier, publisher: Publisher, catalogue: dict[str, int]
) -> None:
    await put(event(1, kind=Kind.NONE), event(2, item="unheard-of"), event(3, item=None))
    await applier.apply()
    state = await state_of(publisher, "ann")
    assert state is not None
    assert state.groups.tolist() == []
    assert state.last_seen == 1_704_067_200 + 180


async def test_history_and_bought_keep_the_newest(
    put: Put, db: Database, settings: Settings, publisher: Publisher, catalogue: dict[str, int], tenant: int
) -> None:
    few = settings.model_copy(update={"history_items": 2, "bought_items": 1})
    await put(*(event(i, item=item, kind=Kind.PURCHASE) for i, item in enumerate("abcd")))
    await states.Applier(db, few, publisher, tenant).apply()
    state = await state_of(publisher, "ann")
    assert state is not None
    assert state.groups.tolist() == [catalogue["c"], catalogue["d"]]
    assert state.bought.tolist() == [catalogue["d"]]


async def test_state_is_the_same_in_whatever_order_events_arrive(
    put: Put, applier: states.Applier, publisher: Publisher, catalogue: dict[str, int]
) -> None:
    events = [event(i, item="abcd"[i % 4], kind=Kind(1 + i % 7), quantity=i) for i in range(40)]
    for i in range(0, 40, 7):
        await put(*events[i : i + 7])
        await applier.apply()
    shuffled = [
        event(i, user="bob", item="abcd"[i % 4], kind=Kind(1 + i % 7), quantity=i, message_id=message_key(f"b{i}")) for i in range(40)
    ]
    await put(*reversed(shuffled))
    await applier.apply()
    ann, bob = await state_of(publisher, "ann"), await state_of(publisher, "bob")
    assert ann is not None
    assert bob is not None
    assert [a.tolist() for a in ann[5:12]] == [b.tolist() for b in bob[5:12]]


async def test_an_event_committed_late_by_a_slow_transaction_is_applied(
    put: Put, db: Database, keys: DataKeys, applier: states.Applier, publisher: Publisher, catalogue: dict[str, int], tenant: int
) -> None:
    async with db.begin() as slow:
        await accept(slow, tenant, [event(1, user="slow")], keys=keys, claim=lambda ids: events_store.claim_messages(slow, tenant, ids))
        await put(event(2, user="fast"))
        await applier.apply()
        assert await state_of(publisher, "slow") is None
    await put(event(3, user="faster"))
    await applier.apply()
    found = [await state_of(publisher, user) for user in ("slow", "fast", "faster")]
    assert all(state is not None and len(state.groups) == 1 for state in found)


async def test_many_interleaved_transactions_lose_nothing(
    db: Database, keys: DataKeys, applier: states.Applier, publisher: Publisher, catalogue: dict[str, int], tenant: int
) -> None:
    async def write(writer: int) -> None:
        for i in range(10):
            async with db.begin() as connection:
                given = [event(writer * 100 + i, user=f"u{writer}-{i}")]
                await accept(
                    connection, tenant, given, keys=keys, claim=lambda ids, c=connection: events_store.claim_messages(c, tenant, ids)
                )
                await asyncio.sleep(0.003 * (writer % 4))

    writing = asyncio.gather(*(write(writer) for writer in range(6)))
    count = 0
    while not writing.done():
        count += await applier.apply()
        await asyncio.sleep(0.002)
    await writing
    count += await applier.apply()
    assert count == 60
    assert (await db.rows("select count(*) from person_state"))[0][0] == 60


async def test_nothing_new_means_no_work(put: Put, applier: states.Applier, db: Database, catalogue: dict[str, int]) -> None:
    await put(event(1))
    assert await applier.apply() == 1
    before = await db.rows("select seq from person_state")
    assert await applier.apply() == 0
    assert await db.rows("select seq from person_state") == before


async def test_a_new_worker_goes_on_where_the_last_one_stopped(
    put: Put, applier: states.Applier, db: Database, settings: Settings, publisher: Publisher, catalogue: dict[str, int], tenant: int
) -> None:
    await put(event(1), event(2, user="bob"))
    await applier.apply()
    await put(event(3, user="eve"))
    assert await states.Applier(db, settings, publisher, tenant).apply() == 1


async def test_another_cluster_means_everything_is_read_again(
    put: Put, applier: states.Applier, db: Database, settings: Settings, publisher: Publisher, catalogue: dict[str, int], tenant: int
) -> None:
    await put(event(1), event(2, user="bob"))
    await applier.apply()
    before = await db.rows("select max(seq) from person_state")
    await client_of(publisher).set(f"m:{{{tenant}}}:whole", "x")
    await db.run("update log_position set cluster = 'elsewhere', xid = '999999999'::xid8")
    assert await states.Applier(db, settings, publisher, tenant).apply() == 2
    after = await db.rows("select min(seq) from person_state")
    assert after[0][0] > before[0][0] + 10_000  # microseconds went by
    assert await publisher.marker(tenant, node_of(publisher)) == ""


async def test_a_release_with_another_form_of_states_computes_all_of_them_again(
    put: Put, applier: states.Applier, db: Database, settings: Settings, publisher: Publisher, catalogue: dict[str, int], tenant: int
) -> None:
    await put(event(1), event(2, user="bob"))
    await applier.apply()
    assert await states.Applier(db, settings, publisher, tenant).apply() == 0
    await db.run("update log_position set cluster = regexp_replace(cluster, '/[0-9.]+$', '/1')")
    await db.run("update person_state set state = '\\x01' || substr(state, 2), profile = ''")
    assert await states.Applier(db, settings, publisher, tenant).apply() == 2
    kept = await db.rows("select state, profile from person_state")
    assert len(kept) == 2
    assert all(unpack_state(row[0]) is not None and unpack_profile(row[1]) is not None for row in kept)


async def test_a_rebuild_gives_the_same_profiles_and_a_refusal_empties_them(
    put: Put, applier: states.Applier, db: Database, settings: Settings, publisher: Publisher, catalogue: dict[str, int], tenant: int
) -> None:
    said = [(Kind.PAGE, None), (Kind.CART, "a"), (Kind.CART, "d"), (Kind.CART_REMOVE, "a"), (Kind.PURCHASE, "b")]
    for number, (kind, item) in enumerate(said):
        await put(event(number, item=item, kind=kind, on_site=True), event(100 + number, user="bob", item=item, kind=kind))
        await applier.apply()
    before = await kept_profiles(db)
    assert await rebuild(db, settings, publisher, tenant) == 2
    assert await kept_profiles(db) == before
    ann = unpack_profile(before["ann"])
    assert ann is not None
    items = dict(await db.rows("select item_no, item_id from item"))
    assert [items[number] for number in ann.cart["item"].tolist()] == ["d"]
    assert ann.visits[["length", "pages", "items"]].tolist() == [(240, 1, 3)]
    state = await state_of(publisher, "ann")
    assert state is not None
    assert sorted(state.kinds.tolist()) == [Kind.CART, Kind.CART, Kind.PURCHASE]  # signals are no part of a history
    await consent.set_consent(db, settings, tenant, "ann", False)
    await states.deliver(db, settings, publisher, tenant)
    assert await kept_profiles(db) == {"ann": NOTHING, "bob": before["bob"]}


async def kept_profiles(db: Database) -> dict[str, bytes]:
    return {
        row[0]: row[1] for row in await db.rows("select value, profile from person_state join person_identity using (tenant, person_no)")
    }


async def test_redis_is_never_set_back(publisher: Publisher, tenant: int) -> None:
    key = person_key(tenant, 1, "ann")
    for seq, expected in ((255, 255), (256, 256), (255, 256), (1 << 60, 1 << 60), ((1 << 60) - 1, 1 << 60), ((1 << 60) + 1, (1 << 60) + 1)):
        await publisher.publish(tenant, [Published(key, pack_state(empty_state(seq, 7, None)), [], 7)])
        assert state_seq(await client_of(publisher).get(state_key(tenant, key))) == expected
    assert 0 < await client_of(publisher).ttl(state_key(tenant, key)) <= 90 * 86_400


async def test_a_state_replaces_a_value_of_another_format(publisher: Publisher, tenant: int) -> None:
    key = person_key(tenant, 1, "ann")
    await client_of(publisher).set(state_key(tenant, key), b"\xffwhatever it is")
    await publisher.publish(tenant, [Published(key, pack_state(empty_state(1, 7, None)), [], 7)])
    assert state_seq(await client_of(publisher).get(state_key(tenant, key))) == 1


async def test_linked_ids_point_to_the_state_under_the_user_id(
    put: Put, applier: states.Applier, publisher: Publisher, catalogue: dict[str, int], tenant: int
) -> None:
    await put(event(1, identities=((2, "cookie"),)))
    await applier.apply()
    assert unpack_state(await client_of(publisher).get(state_key(tenant, person_key(tenant, 2, "cookie")))) is not None
    await put(event(2, item="b", identities=((1, "ann"), (2, "cookie"))))
    await applier.apply()
    assert unpack_pointer(await client_of(publisher).get(state_key(tenant, person_key(tenant, 2, "cookie")))) == person_key(
        tenant, 1, "ann"
    )
    state = await state_of(publisher, "ann")
    assert state is not None
    assert state.groups.tolist() == [catalogue["a"], catalogue["b"]]


async def test_while_redis_is_away_states_in_postgresql_go_on_and_reach_it_later(
    put: Put, db: Database, settings: Settings, publisher: Publisher, catalogue: dict[str, int], tenant: int
) -> None:
    from app.core import redis

    nodes, publisher.nodes = publisher.nodes, redis.Nodes("redis://127.0.0.1:1/0")
    applier = states.Applier(db, settings, publisher, tenant)
    await put(event(1))
    assert await applier.apply() == 1
    await put(event(2, user="bob"))
    assert await applier.apply() == 1
    assert (await db.rows("select count(*) from person_state"))[0][0] == 2
    assert await store.reached(db, tenant) is None
    publisher.nodes = nodes
    await asyncio.sleep(0.5)  # tries of what is left come at growing pauses
    assert await applier.apply() == 0
    assert await state_of(publisher, "ann") is not None
    assert await state_of(publisher, "bob") is not None
    assert await store.reached(db, tenant) is not None


async def test_withdrawn_consent_empties_the_state_and_given_consent_brings_it_back(
    put: Put, applier: states.Applier, db: Database, settings: Settings, publisher: Publisher, catalogue: dict[str, int], tenant: int
) -> None:
    await put(event(1, kind=Kind.PURCHASE))
    await applier.apply()
    number = await consent.set_consent(db, settings, tenant, "ann", False)
    assert not await outbox.confirmed(db, tenant, number)
    assert await states.deliver(db, settings, publisher, tenant) == 1
    assert await consent.wait_applied(db, tenant, number)
    state = await state_of(publisher, "ann")
    assert state is not None
    assert state.consent is False
    assert len(state.groups) == len(state.bought) == 0
    refused = await put(event(2))
    assert refused.no_consent == [0]
    await consent.set_consent(db, settings, tenant, "ann", True)
    await states.deliver(db, settings, publisher, tenant)
    state = await state_of(publisher, "ann")
    assert state is not None
    assert state.consent is True
    assert state.groups.tolist() == [catalogue["a"]]


async def test_a_refusal_given_before_the_first_event_holds(
    put: Put, db: Database, settings: Settings, publisher: Publisher, catalogue: dict[str, int], tenant: int
) -> None:
    await consent.set_consent(db, settings, tenant, "new", False)
    await states.deliver(db, settings, publisher, tenant)
    state = await state_of(publisher, "new")
    assert state is not None
    assert state.consent is False
    assert (await put(event(1, user="new"))).no_consent == [0]


async def test_a_consent_that_cannot_reach_redis_stays_open(db: Database, settings: Settings, publisher: Publisher, tenant: int) -> None:
    from app.core import redis

    number = await consent.set_consent(db, settings, tenant, "ann", False)
    away = Publisher(redis.Nodes("redis://127.0.0.1:1/0"), 1)
    with pytest.raises(states.NotPublished):
        await states.deliver(db, settings, away, tenant)
    assert not await consent.wait_applied(db, tenant, number, 0.1)
    await states.deliver(db, settings, publisher, tenant)
    assert await outbox.confirmed(db, tenant, number)


async def test_an_emptied_redis_is_filled_again_before_it_is_trusted(
    put: Put, applier: states.Applier, db: Database, settings: Settings, publisher: Publisher, catalogue: dict[str, int], tenant: int
) -> None:
    from app.core import redis

    await put(event(1), event(2, user="bob", identities=((1, "bob"), (2, "cookie"))))
    await applier.apply()
    run = await redis.run_id(client_of(publisher))
    assert await states.keep_whole(db, settings, publisher, tenant)
    assert await publisher.marker(tenant, node_of(publisher)) == run
    assert not await states.keep_whole(db, settings, publisher, tenant)
    await client_of(publisher).flushall()
    number = await consent.set_consent(db, settings, tenant, "ann", False)
    assert await states.keep_whole(db, settings, publisher, tenant)
    assert await publisher.marker(tenant, node_of(publisher)) == run
    assert await outbox.confirmed(db, tenant, number)
    bob, ann = await state_of(publisher, "cookie", kind=2), await state_of(publisher, "ann")
    assert bob is not None
    assert ann is not None
    assert ann.consent is False


async def test_a_flush_while_redis_is_filled_is_noticed(publisher: Publisher, tenant: int) -> None:
    await publisher.begin_whole(tenant, node_of(publisher), "n1")
    await client_of(publisher).flushall()
    process = await publisher.process(node_of(publisher))
    assert not await publisher.end_whole(tenant, node_of(publisher), "n1", process)
    assert await publisher.marker(tenant, node_of(publisher)) == ""


async def test_rebuild_computes_everything_again_and_tells_how_far_it_is(
    put: Put, applier: states.Applier, db: Database, settings: Settings, publisher: Publisher, catalogue: dict[str, int], tenant: int
) -> None:
    await put(*(event(i, user=f"u{i}") for i in range(50)))
    await applier.apply()
    await db.run("update person_state set state = '\\x00'")
    await client_of(publisher).flushall()
    told: list[tuple[int, int]] = []
    assert await rebuild(db, settings, publisher, tenant, lambda done, every: told.append((done, every))) == 50
    assert told[-1] == (50, 50)
    for i in range(50):
        state = await state_of(publisher, f"u{i}")
        assert state is not None
        assert state.groups.tolist() == [catalogue["a"]]
    assert await states.Applier(db, settings, publisher, tenant).apply() == 0


async def test_a_country_told_by_the_newest_event_is_in_the_state(
    put: Put, applier: states.Applier, publisher: Publisher, catalogue: dict[str, int]
) -> None:
    await put(event(2, country="France"), event(1, country="Spain"))
    await applier.apply()
    state = await state_of(publisher, "ann")
    assert state is not None
    assert state.country == "France"


async def test_a_time_in_the_future_counts_as_the_moment_of_arrival(
    put: Put, applier: states.Applier, publisher: Publisher, catalogue: dict[str, int]
) -> None:
    await put(event(1, kind=Kind.PURCHASE, occurred_at=datetime(9990, 1, 1, tzinfo=UTC)))
    await applier.apply()
    state = await state_of(publisher, "ann")
    assert state is not None
    assert abs(state.last_at[0] - time.time()) < 60
    assert abs(state.bought_day[0] - time.time() / 86_400) <= 1
