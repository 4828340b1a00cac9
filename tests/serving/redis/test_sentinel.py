"""The master that a Sentinel names is read, followed when it changes, and a process that is none is never believed."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.core.ids import marker_key
from app.core.redis import FAULTS, Nodes, connect
from app.serving.redis.reader import RedisReader
from tests.serving.redis.conftest import read, until, until_up
from tests.serving.redis.processes import Process, Watched, tell


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """A master with a replica under a Sentinel."""
    found = Watched(tmp_path)
    try:
        found.start()
        yield found
    finally:
        found.kill()


@pytest.fixture
async def reader(watched: Watched) -> AsyncIterator[RedisReader]:
    found = RedisReader(watched.url, 50)
    await until_up(found)
    yield found
    await found.close()


def trust(process: Process) -> None:
    tell(process, "MSET", marker_key(1), process.run_id(), "a", "A")


async def test_a_master_that_dies_is_left_for_the_replica_which_is_believed_once_it_is_whole(reader: RedisReader, watched: Watched) -> None:
    trust(watched.master)
    assert await read(reader, (1, ["a"])) == [[b"A"]]
    watched.master.kill()
    end = time.monotonic() + 20
    while reader.run_id != watched.replica.run_id().decode():
        began = time.monotonic()
        assert await read(reader, (1, ["a"])) == [None]
        assert time.monotonic() - began < 0.15
        assert time.monotonic() < end
        await asyncio.sleep(0.02)
    assert await read(reader, (1, ["a"])) == [None], "what it was given last may be missing"
    trust(watched.replica)
    assert await read(reader, (1, ["a"])) == [[b"A"]]


async def test_a_master_that_was_replaced_is_left_although_it_still_answers(watched: Watched, reader: RedisReader) -> None:
    trust(watched.master)
    assert await read(reader, (1, ["a"])) == [[b"A"]]
    tell(watched.sentinel, "SENTINEL", "REMOVE", watched.name)
    tell(watched.sentinel, "SENTINEL", "MONITOR", watched.name, "127.0.0.1", watched.replica.port, 1)
    tell(watched.replica, "REPLICAOF", "NO", "ONE")
    await until(lambda: reader.run_id == watched.replica.run_id().decode())
    assert await read(reader, (1, ["a"])) == [None]
    assert watched.is_master(watched.master), "the old master never said a word"


async def test_a_replica_is_never_believed_and_a_master_that_becomes_one_no_longer(watched: Watched) -> None:
    trust(watched.master)
    plain = RedisReader(f"redis://127.0.0.1:{watched.master.port}", 50)
    beside = RedisReader(f"redis://127.0.0.1:{watched.replica.port}", 50)
    try:
        await until_up(plain)
        await until_up(beside)
        tell(watched.replica, "CONFIG", "SET", "replica-read-only", "no")
        tell(watched.replica, "SET", marker_key(1), watched.replica.run_id())
        assert await read(beside, (1, ["a"])) == [None]
        tell(watched.replica, "CONFIG", "SET", "replica-read-only", "yes")

        assert await read(plain, (1, ["a"])) == [[b"A"]]
        trust(watched.master)
        tell(watched.replica, "REPLICAOF", "NO", "ONE")
        tell(watched.master, "REPLICAOF", "127.0.0.1", watched.replica.port)
        await read(plain, (1, ["a"]), writes=[("SET", "b", "B")])
        await until_up(plain)
        assert await read(plain, (1, ["a"])) == [None]
    finally:
        await plain.close()
        await beside.close()


async def test_the_worker_and_the_limiter_follow_the_master_too(watched: Watched) -> None:
    nodes = Nodes(watched.url, timeout_ms=500)
    (node,) = await nodes.all()
    await node.client.set("a", "1")
    assert tell(watched.master, "GET", "a") == b"1"
    await asyncio.to_thread(watched.fail_over)
    end = time.monotonic() + 10
    while tell(watched.replica, "GET", "a") != b"2":
        assert time.monotonic() < end
        with contextlib.suppress(*FAULTS):
            await nodes.refresh()
            await node.client.set("a", "2")
    await nodes.aclose()
    client = connect(f"redis+sentinel://127.0.0.1:1,127.0.0.1:{watched.sentinel.port}/{watched.name}/3", timeout_ms=500)
    await client.set("b", "3")
    assert tell(watched.replica, "GET", "b") is None, "database 3, through the second Sentinel"
    assert await client.get("b") == b"3"
    await client.aclose()
