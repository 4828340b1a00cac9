"""`read` on a Cluster of three: one piece a node, each node believed and lost by itself, and the map of slots followed."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from app.core.ids import state_key
from app.core.redis_slots import SLOTS, node_marker, slot_of, trusted_value
from app.serving.redis.reader import RedisReader
from app.serving.redis.wire import Wire
from tests.serving.redis.conftest import read, until
from tests.serving.redis.processes import Cluster, Process, tell, within


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three masters; the first has a replica."""
    found = Cluster(tmp_path_factory.mktemp("cluster"), replicas=1)
    try:
        found.start()
        yield found
    finally:
        found.kill()


@pytest.fixture
async def reader(cluster: Cluster) -> AsyncIterator[RedisReader]:
    found = RedisReader(cluster.url, 50)
    found.reconnect()
    await until(lambda: len(found.run_id.split(",")) == 3 and found.up)
    yield found
    await found.close()


def keys_on(cluster: Cluster, process: Process, count: int = 5) -> list[str]:
    """Keys of as many people as asked for, that one master holds."""
    found: list[str] = []
    while len(found) < count:
        key = state_key(1, os.urandom(12))
        if cluster.holder(key) is process:
            found.append(key)
    return found


def put(cluster: Cluster, *keys: str) -> None:
    for key in keys:
        tell(cluster.holder(key), "SET", key, f"value of {key}")


def value(key: str) -> bytes:
    return f"value of {key}".encode()


@pytest.mark.parametrize("key", ["a", "{a}b", "a{b}c{d}", "a{}b", "a{b", "a}b{c}", "{}{a}", "m:{1.AbC-_}:s", "ü{ß}"])
def test_a_slot_is_what_the_servers_say_it_is(cluster: Cluster, key: str) -> None:
    assert slot_of(key) == tell(cluster.masters[0], "CLUSTER", "KEYSLOT", key)


async def test_each_node_gets_one_piece_a_turn_and_every_group_its_values(
    reader: RedisReader, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.trust(1, 2)
    keys = [key for master in cluster.masters for key in keys_on(cluster, master)]
    put(cluster, *keys)
    wires = {node.link.wire for node in reader._route._nodes.values()}
    pieces: list[Wire] = []
    send = Wire.send

    def counted(wire: Wire, commands: Any, take: Any) -> None:
        if commands[0][0] != "CLUSTER":  # what follows the map of slots goes its own way
            pieces.append(wire)
        send(wire, commands, take)

    monkeypatch.setattr(Wire, "send", counted)
    groups = [(1 + number % 2, [key, key.replace(":s", ":c:list")]) for number, key in enumerate(keys)]
    written = keys[0].replace(":s", ":c:new")
    found = await read(reader, *groups, (1, [keys[0], keys[-1], keys[1]]), writes=[("SET", written, "new", "EX", "60")])
    assert found[:-1] == [[value(key), None] for key in keys]
    assert found[-1] == [value(keys[0]), value(keys[-1]), value(keys[1])]
    assert len(pieces) == len(wires) == 3
    assert set(pieces) == wires
    assert tell(cluster.holder(written), "GET", written) == b"new"


async def test_each_node_is_believed_by_itself_and_for_each_tenant(reader: RedisReader, cluster: Cluster) -> None:
    cluster.trust(1)
    first, second, third = (keys_on(cluster, master, 1)[0] for master in cluster.masters)
    put(cluster, first, second, third)
    ranges = cluster.ranges()[cluster.masters[1].port]
    tell(cluster.masters[1], "SET", node_marker(1, ranges), trusted_value("0" * 40, ranges))
    found = await read(reader, (1, [first]), (1, [second]), (1, [third]), (1, [first, second]), (7, [first]))
    assert found == [[value(first)], None, [value(third)], None, None]
    tell(cluster.masters[1], "SET", node_marker(1, ranges), trusted_value(cluster.masters[1].run_id().decode(), ((0, SLOTS - 1),)))
    assert await read(reader, (1, [second])) == [None], "the process is right, but it was whole for other slots"
    cluster.trust(1)
    assert await read(reader, (1, [second])) == [[value(second)]]


async def test_a_frozen_node_costs_one_time_out_and_only_its_own_groups(reader: RedisReader, cluster: Cluster) -> None:
    cluster.trust(1)
    first, second = (keys_on(cluster, master, 1)[0] for master in cluster.masters[:2])
    put(cluster, first, second)
    cluster.masters[1].freeze()
    try:
        began = time.monotonic()
        assert await read(reader, (1, [first]), (1, [second])) == [[value(first)], None]
        assert 0.04 < time.monotonic() - began < 0.2
        began = time.monotonic()
        for _ in range(20):
            assert await read(reader, (1, [second]), (1, [first])) == [None, [value(first)]]
        assert time.monotonic() - began < 0.2
    finally:
        cluster.masters[1].thaw()
    await comes_back(reader, second)


async def comes_back(reader: RedisReader, key: str, seconds: float = 15.0) -> None:
    """Wait until a value is read again."""
    end = time.monotonic() + seconds
    while await read(reader, (1, [key])) != [[value(key)]]:
        assert time.monotonic() < end
        await asyncio.sleep(0.05)


async def test_single_commands_go_to_the_node_of_their_key(reader: RedisReader, cluster: Cluster) -> None:
    keys = [keys_on(cluster, master, 1)[0] for master in cluster.masters]
    commands = [("SET", key, "a", "NX", "EX", "60", "GET") for key in keys]
    assert await reader.call(*commands) == [None, None, None]
    assert await reader.call(*commands) == [b"a", b"a", b"a"]


async def test_a_slot_that_moves_gives_nothing_until_the_map_is_read_again_and_its_new_node_is_whole(
    reader: RedisReader, cluster: Cluster
) -> None:
    source, target = cluster.masters[2], cluster.masters[1]
    key = keys_on(cluster, source, 1)[0]
    stays = keys_on(cluster, target, 1)[0]
    put(cluster, key, stays)
    cluster.trust(1)
    assert await read(reader, (1, [key]), (1, [stays])) == [[value(key)], [value(stays)]]
    await asyncio.to_thread(cluster.move, key, source, target)
    try:
        for _ in range(20):
            assert (await read(reader, (1, [key])))[0] is None, "MOVED is no answer, and the new node was not whole with this slot"
            await asyncio.sleep(0.05)
        assert await read(reader, (1, [stays])) == [None]
        await asyncio.to_thread(cluster.trust, 1)
        await comes_back(reader, key)
        assert await read(reader, (1, [key, stays])) == [[value(key), value(stays)]]
    finally:
        await asyncio.to_thread(cluster.move, key, target, source)
        await asyncio.to_thread(cluster.trust, 1)
    await comes_back(reader, key)


async def test_a_slot_on_its_way_gives_nothing(reader: RedisReader, cluster: Cluster) -> None:
    source, target = cluster.masters[2], cluster.masters[1]
    key = keys_on(cluster, source, 1)[0]
    cluster.trust(1)
    tell(target, "CLUSTER", "SETSLOT", slot_of(key), "IMPORTING", tell(source, "CLUSTER", "MYID"))
    tell(source, "CLUSTER", "SETSLOT", slot_of(key), "MIGRATING", tell(target, "CLUSTER", "MYID"))
    try:
        assert await read(reader, (1, [key])) == [None], "not there and not a stranger: the source answers ASK"
    finally:
        for process in (source, target):
            tell(process, "CLUSTER", "SETSLOT", slot_of(key), "STABLE")
    assert await read(reader, (1, [key])) == [[None]]


async def test_a_replica_that_takes_over_is_believed_once_it_was_made_whole(reader: RedisReader, cluster: Cluster) -> None:
    dying, other = cluster.masters[0], cluster.masters[1]
    key, elsewhere = keys_on(cluster, dying, 1)[0], keys_on(cluster, other, 1)[0]
    put(cluster, key, elsewhere)
    cluster.trust(1)
    await asyncio.sleep(0.1)  # the replica gets the marker of the master with all else
    assert await read(reader, (1, [key])) == [[value(key)]]
    dying.kill()
    taken_over = asyncio.get_running_loop().run_in_executor(None, within, lambda: cluster.replicas[0].port in cluster.ranges())
    while not taken_over.done():
        began = time.monotonic()
        assert await read(reader, (1, [key]), (1, [elsewhere])) == [None, [value(elsewhere)]]
        assert time.monotonic() - began < 0.15
        await asyncio.sleep(0.02)
    await taken_over
    await until(lambda: cluster.replicas[0].run_id().decode() in reader.run_id)
    assert await read(reader, (1, [key])) == [None], "it may lack the last writes"
    await asyncio.to_thread(cluster.trust, 1)
    assert await read(reader, (1, [key])) == [[value(key)]]


async def test_a_node_that_is_lost_for_good_takes_only_its_own_people_along_unless_the_cluster_wants_all_slots(
    reader: RedisReader, cluster: Cluster
) -> None:
    lost, other = cluster.masters[2], cluster.masters[1]
    key, elsewhere = keys_on(cluster, lost, 1)[0], keys_on(cluster, other, 1)[0]
    put(cluster, key, elsewhere)
    cluster.trust(1)
    lost.kill()
    end = time.monotonic() + 1
    while time.monotonic() < end:
        began = time.monotonic()
        assert await read(reader, (1, [key]), (1, [elsewhere])) == [None, [value(elsewhere)]]
        assert time.monotonic() - began < 0.15
        await asyncio.sleep(0.05)
    assert reader.up
    for master in cluster.replicas + cluster.masters:
        if master.alive:
            tell(master, "CONFIG", "SET", "cluster-require-full-coverage", "yes")
    within(lambda: b"cluster_state:fail" in tell(other, "CLUSTER", "INFO"))
    began = time.monotonic()
    assert await read(reader, (1, [elsewhere])) == [None], "a Cluster that wants every slot covered answers nobody, but at once"
    assert time.monotonic() - began < 0.1
