"""The worker and the limits on a Redis that is full, and on a Cluster that loses a node."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest

from app.access.domain import ClientKind, Principal, Scope
from app.access.limits.leases import Limiter
from app.core import ids, redis
from app.core.db import Database
from app.core.ids import DEFAULT_TENANT, state_key
from app.core.redis import Nodes
from app.core.redis_slots import node_marker
from app.core.settings import Settings
from app.data import outbox
from app.data.catalogue.service import put_items
from app.data.events.domain import Event, message_key
from app.data.kinds import Kind
from app.data.online.publisher import Publisher
from app.data.people import states
from app.data.privacy import consent as people
from app.data.profiles import store
from app.data.profiles.state_codec import state_seq, unpack_pointer, view_state
from tests.serving.redis.processes import Cluster, Process, tell, within
from tests.serving.shop import add_events, document

USERS = [f"u{number}" for number in range(30)]


def key_of(user: str) -> str:
    return state_key(DEFAULT_TENANT, ids.person_key(DEFAULT_TENANT, 1, user))


def views(*users: str, item: str = "i1") -> list[Event]:
    """One view each; the first user is also known by a cookie."""
    now = datetime.now(UTC)
    return [
        Event(now, message_key(f"{user}-{item}"), ((1, user), (2, "cookie")) if user == "u0" else ((1, user),), Kind.VIEW, item_id=item)
        for user in users
    ]


@pytest.fixture
async def db_with_people(db: Database, settings: Settings) -> Database:
    await put_items(db, settings, DEFAULT_TENANT, [document(number) for number in range(4)])
    await add_events(db, settings, views(*USERS))
    return db


async def applied(applier: states.Applier, seconds: float = 0.0) -> None:
    """Apply again and again for a while, as the worker does."""
    end = time.monotonic() + seconds
    while True:
        await applier.apply()
        if time.monotonic() >= end:
            return
        await asyncio.sleep(0.05)


@pytest.fixture
async def publisher_of_one(single: Process) -> AsyncIterator[Publisher]:
    nodes = Nodes(f"redis://127.0.0.1:{single.port}", timeout_ms=500)
    yield Publisher(nodes, 90)
    await nodes.aclose()


async def test_states_in_postgresql_go_on_and_redis_is_no_longer_believed_until_it_holds_all(
    db_with_people: Database, settings: Settings, publisher_of_one: Publisher, single: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states, "LATE_S", 0.3)
    monkeypatch.setattr(states, "_LONGEST_PAUSE_S", 0.3)
    db, marker = db_with_people, node_marker(DEFAULT_TENANT, None)
    applier = states.Applier(db, settings, publisher_of_one, DEFAULT_TENANT)
    await applier.apply()
    assert await states.keep_whole(db, settings, publisher_of_one, DEFAULT_TENANT)
    reached = await store.reached(db, DEFAULT_TENANT)
    old = tell(single, "GET", key_of("u3"))
    tell(single, "CONFIG", "SET", "maxmemory", "1")

    await add_events(db, settings, views("u3", "u4", item="i2"))
    await applied(applier)
    (kept,) = (await db.rows("select max(seq) from person_state"))[0]
    assert kept > state_seq(old), "PostgreSQL has the newer state"
    assert tell(single, "GET", key_of("u3")) == old
    assert tell(single, "GET", marker), "a failure that is mended at once costs nothing"
    await applied(applier, 0.6)
    assert tell(single, "GET", marker) is None
    assert await store.reached(db, DEFAULT_TENANT) == reached, "a crash now would read these events again"
    with pytest.raises(states.NotPublished):
        await states.keep_whole(db, settings, publisher_of_one, DEFAULT_TENANT)
    assert tell(single, "GET", marker) is None

    tell(single, "CONFIG", "SET", "maxmemory", "0")
    await applied(applier, 1.0)
    assert state_seq(tell(single, "GET", key_of("u3"))) > state_seq(old)
    assert await store.reached(db, DEFAULT_TENANT) != reached
    assert await states.keep_whole(db, settings, publisher_of_one, DEFAULT_TENANT)
    assert tell(single, "GET", marker) == single.run_id()


async def test_a_withdrawal_that_a_full_redis_does_not_take_stays_open_and_takes_the_marker(
    db_with_people: Database, settings: Settings, publisher_of_one: Publisher, single: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    db, marker = db_with_people, node_marker(DEFAULT_TENANT, None)
    await states.Applier(db, settings, publisher_of_one, DEFAULT_TENANT).apply()
    await states.keep_whole(db, settings, publisher_of_one, DEFAULT_TENANT)
    tell(single, "CONFIG", "SET", "maxmemory", "1")
    number = await people.set_consent(db, settings, DEFAULT_TENANT, "u5", False)
    with pytest.raises(states.NotPublished):
        await states.deliver(db, settings, publisher_of_one, DEFAULT_TENANT)
    assert tell(single, "GET", marker)
    monkeypatch.setattr(states, "LATE_S", 0.0)
    with pytest.raises(states.NotPublished):
        await states.deliver(db, settings, publisher_of_one, DEFAULT_TENANT)
    assert tell(single, "GET", marker) is None
    tell(single, "CONFIG", "SET", "maxmemory", "0")
    assert await states.keep_whole(db, settings, publisher_of_one, DEFAULT_TENANT)
    assert await outbox.confirmed(db, DEFAULT_TENANT, number)
    view = view_state(tell(single, "GET", key_of("u5")))
    assert view is not None
    assert view.consent is False


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three masters, no replica."""
    found = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        found.start()
        yield found
    finally:
        found.kill()


@pytest.fixture
async def publisher_of_three(cluster: Cluster) -> AsyncIterator[Publisher]:
    for master in cluster.masters:
        if not master.alive:
            master.start()
        tell(master, "FLUSHALL")
    for master in cluster.masters:
        within(lambda master=master: b"cluster_state:ok" in tell(master, "CLUSTER", "INFO"))
    nodes = Nodes(cluster.url, timeout_ms=500)
    yield Publisher(nodes, 90)
    await nodes.aclose()


def whole(cluster: Cluster) -> list[bool]:
    """Tell of each living master whether its marker names it."""
    found = []
    for master in cluster.masters:
        if master.alive:
            said = tell(master, "GET", node_marker(DEFAULT_TENANT, cluster.ranges()[master.port])) or b""
            found.append(said.startswith(master.run_id() + b":"))
    return found


async def test_states_and_pointers_lie_where_they_belong_and_every_node_is_marked(
    db_with_people: Database, settings: Settings, publisher_of_three: Publisher, cluster: Cluster
) -> None:
    db = db_with_people
    await states.Applier(db, settings, publisher_of_three, DEFAULT_TENANT).apply()
    assert whole(cluster) == [False] * 3
    assert await states.keep_whole(db, settings, publisher_of_three, DEFAULT_TENANT)
    assert whole(cluster) == [True] * 3
    assert not await states.keep_whole(db, settings, publisher_of_three, DEFAULT_TENANT)
    assert len({cluster.holder(key_of(user)).port for user in USERS}) == 3
    for user in USERS:
        assert view_state(tell(cluster.holder(key_of(user)), "GET", key_of(user))) is not None
    cookie = state_key(DEFAULT_TENANT, ids.person_key(DEFAULT_TENANT, 2, "cookie"))
    assert unpack_pointer(tell(cluster.holder(cookie), "GET", cookie)) == ids.person_key(DEFAULT_TENANT, 1, "u0")


async def test_a_lost_node_keeps_nobody_else_waiting_and_is_filled_again_when_it_is_back(
    db_with_people: Database, settings: Settings, publisher_of_three: Publisher, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis, "_REST_S", 0.1)
    monkeypatch.setattr(states, "_LONGEST_PAUSE_S", 0.3)
    db, lost = db_with_people, cluster.masters[2]
    applier = states.Applier(db, settings, publisher_of_three, DEFAULT_TENANT)
    await applier.apply()
    await states.keep_whole(db, settings, publisher_of_three, DEFAULT_TENANT)
    reached = await store.reached(db, DEFAULT_TENANT)
    here = next(user for user in USERS[1:] if cluster.holder(key_of(user)) is cluster.masters[0])
    gone = next(user for user in USERS[1:] if cluster.holder(key_of(user)) is lost)
    old = tell(cluster.masters[0], "GET", key_of(here))
    lost.kill()

    await add_events(db, settings, views(here, gone, item="i2"))
    await applied(applier)
    assert state_seq(tell(cluster.masters[0], "GET", key_of(here))) > state_seq(old)
    assert await store.reached(db, DEFAULT_TENANT) == reached
    withdrawn = [await people.set_consent(db, settings, DEFAULT_TENANT, user, False) for user in (gone, here)]
    with pytest.raises(states.NotPublished, match=str(lost.port)):
        await states.deliver(db, settings, publisher_of_three, DEFAULT_TENANT)
    assert [await outbox.confirmed(db, DEFAULT_TENANT, number) for number in withdrawn] == [False, True]
    assert whole(cluster) == [True, True], "the other nodes are believed as before"

    lost.start()
    within(lambda: b"cluster_state:ok" in tell(lost, "CLUSTER", "INFO"))
    assert whole(cluster) == [True, True, False]
    await asyncio.sleep(0.2)  # a node that failed rests
    assert await states.keep_whole(db, settings, publisher_of_three, DEFAULT_TENANT)
    assert whole(cluster) == [True, True, True]
    assert await outbox.confirmed(db, DEFAULT_TENANT, withdrawn[0])
    view = view_state(tell(lost, "GET", key_of(gone)))
    assert view is not None
    assert view.consent is False
    await applied(applier, 1.0)
    assert await store.reached(db, DEFAULT_TENANT) != reached


async def test_slots_that_moved_are_published_to_their_new_node_before_it_is_believed(
    db_with_people: Database, settings: Settings, publisher_of_three: Publisher, cluster: Cluster
) -> None:
    db, (source, target, _) = db_with_people, cluster.masters
    await states.Applier(db, settings, publisher_of_three, DEFAULT_TENANT).apply()
    await states.keep_whole(db, settings, publisher_of_three, DEFAULT_TENANT)
    moved = key_of(next(user for user in USERS if cluster.holder(key_of(user)) is source))
    await asyncio.to_thread(cluster.move, moved, source, target)
    try:
        tell(target, "DEL", moved)  # as if the source had not held it
        assert await states.keep_whole(db, settings, publisher_of_three, DEFAULT_TENANT)
        assert view_state(tell(target, "GET", moved)) is not None
        assert whole(cluster) == [True, True, True]
    finally:
        await asyncio.to_thread(cluster.move, moved, target, source)


async def test_clients_share_their_limits_over_a_cluster_and_only_those_of_a_lost_node_have_shares(
    publisher_of_three: Publisher, cluster: Cluster
) -> None:
    four = [Limiter.connect(cluster.url, Settings(workers=4)) for _ in range(4)]
    for limiter in four:
        await limiter.warm()
    lost = cluster.masters[2]

    async def admitted(client_no: int) -> int:
        caller = Principal(DEFAULT_TENANT, client_no, "mc", ClientKind.SERVICE, frozenset({Scope.RECOMMEND}), "40/day", "reject")
        verdicts = await asyncio.gather(*(four[n % 4].admit(caller) for n in range(400)))
        return sum(verdict.allowed for verdict in verdicts)

    try:
        assert [await admitted(client) for client in range(1, 9)] == [40] * 8
        lost.kill()
        for client in range(20, 30):
            on_lost = cluster.holder(f"m:{{{DEFAULT_TENANT}.c{client}}}:l") is lost
            # alone each worker admits its share of the limit, which is the same sum only while calls are spread evenly
            began = time.monotonic()
            assert await admitted(client) == 40
            assert time.monotonic() - began < 1.5, on_lost
        assert {limiter._down_until.keys() <= {f"127.0.0.1:{lost.port}"} for limiter in four} == {True}
        assert any(limiter._down_until for limiter in four)
    finally:
        for limiter in four:
            await limiter.close()
