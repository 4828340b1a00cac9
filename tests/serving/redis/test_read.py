"""`read` on one Redis: a single piece, trust by tenant, and an answer in time whatever happens to the connection."""

import asyncio
import time

from app.core.ids import marker_key
from app.core.telemetry import ERRORS
from app.serving.redis.reader import RedisReader, Values
from tests.serving.redis.conftest import read, until, until_up
from tests.serving.redis.processes import Process
from tests.serving.redis.proxy import Proxy


def trust(process: Process, *tenants: int) -> None:
    with process.client() as client:
        for tenant in tenants:
            client.set(marker_key(tenant), process.run_id())


def counted(kind: str) -> float:
    return ERRORS.labels("redis", kind)._value.get()


async def test_all_groups_of_a_turn_and_its_writes_go_out_in_one_piece_with_one_mget(reader: RedisReader, single: Process) -> None:
    trust(single, 1, 2)
    with single.client() as client:
        client.mset({"a": "A", "b": "B", "c": "C"})
        before = client.info("all")
        found = await read(reader, (1, ["a", "x"]), (2, ["b"]), (1, ["c"]), writes=[("SET", "d", b"D"), ("EXPIRE", "d", 60)])
        assert found == [[b"A", None], [b"B"], [b"C"]]
        after = client.info("all")
        assert client.get("d") == b"D"
    assert after["cmdstat_mget"]["calls"] - before.get("cmdstat_mget", {"calls": 0})["calls"] == 1
    assert after["total_reads_processed"] - before["total_reads_processed"] == 2, "the reader's piece, and the second question of this test"


async def test_values_of_a_tenant_count_only_while_its_marker_names_the_process_that_answers(reader: RedisReader, single: Process) -> None:
    trust(single, 1)
    with single.client() as client:
        client.mset({"a": "A", marker_key(2): "0" * 40, marker_key(3): "writing:0123456789abcdef"})
        assert await read(reader, (1, ["a"]), (2, ["a"]), (3, ["a"]), (4, ["a"])) == [[b"A"], None, None, None]
        client.delete(marker_key(1))
        assert await read(reader, (1, ["a"])) == [None]


async def test_a_full_redis_answers_reads_and_refused_writes_are_counted(reader: RedisReader, single: Process) -> None:
    trust(single, 1)
    with single.client() as client:
        client.set("a", "A")
        client.config_set("maxmemory", "1")
        before = counted("oom")
        assert await read(reader, (1, ["a"]), writes=[("SET", "b", "B"), ("SET", "c", "C")]) == [[b"A"]]
        assert counted("oom") - before == 2
        assert reader.up


async def test_writes_without_reads_are_sent_and_reported(reader: RedisReader, single: Process) -> None:
    assert await read(reader, writes=[("SET", "a", "A")]) == []
    assert await read(reader) == []
    with single.client() as client:
        assert client.get("a") == b"A"


async def test_a_silent_redis_costs_one_time_out_and_then_nothing_until_it_is_back(
    reader: RedisReader, single: Process, proxy: Proxy
) -> None:
    trust(single, 1)
    proxy.hang()
    began = time.monotonic()
    assert await asyncio.gather(*(read(reader, (1, ["a"]), (1, ["b"])) for _ in range(20))) == [[None, None]] * 20
    assert 0.05 <= time.monotonic() - began < 0.2
    assert not reader.up
    began = time.monotonic()
    for _ in range(50):
        assert await read(reader, (1, ["a"])) == [None]
    assert time.monotonic() - began < 0.05
    await asyncio.sleep(0.2)
    assert not reader.up, "a Redis that accepts and never answers is not taken for one that is back"
    proxy.heal()
    await until_up(reader)
    assert await read(reader, (1, ["a"])) == [[None]]


async def test_a_redis_slower_than_the_time_out_counts_as_down_and_is_not_tried_by_requests(
    reader: RedisReader, single: Process, proxy: Proxy
) -> None:
    trust(single, 1)
    proxy.delay_s = 0.3
    assert await read(reader, (1, ["a"])) == [None]
    began = time.monotonic()
    while time.monotonic() - began < 0.6:
        asked = time.monotonic()
        assert await read(reader, (1, ["a"])) == [None]
        assert time.monotonic() - asked < 0.04
        await asyncio.sleep(0.02)
    proxy.heal()
    await until_up(reader)


async def test_a_busy_loop_is_not_taken_for_a_silent_redis(reader: RedisReader, single: Process) -> None:
    trust(single, 1)
    for _ in range(5):
        future: asyncio.Future[list[Values | None]] = asyncio.get_running_loop().create_future()
        reader.read([(1, ["a"])], [], future.set_result)
        time.sleep(0.12)  # noqa: ASYNC251 the loop itself is what is late
        assert await future == [[None]]
    assert reader.up


async def test_a_connection_cut_in_the_middle_of_a_reply_gives_nothing_and_comes_back(
    reader: RedisReader, single: Process, proxy: Proxy
) -> None:
    trust(single, 1)
    with single.client() as client:
        client.set("a", "A" * 1000)
    proxy.cut_after = 300
    found = await asyncio.gather(*(read(reader, (1, ["a"])) for _ in range(5)))
    assert found == [[None]] * 5, "half a reply is no reply, and what was asked behind it is lost with it"
    assert proxy.cuts == 1
    await until_up(reader)
    assert await read(reader, (1, ["a"])) == [[b"A" * 1000]]


async def test_done_is_called_once_from_the_loop_and_never_from_within(reader: RedisReader, single: Process, proxy: Proxy) -> None:
    trust(single, 1)
    calls: list[list[Values | None]] = []
    reader.read([(1, ["a"])], [], calls.append)
    assert calls == []
    await asyncio.sleep(0.05)
    assert calls == [[[None]]]
    proxy.hang()
    reader.read([(1, ["a"])], [], calls.append)
    reader.read([], [("SET", "a", "A")], calls.append)
    await reader.close()
    assert calls[1:] == [[None], []]
    reader.read([(1, ["a"])], [], calls.append)
    assert len(calls) == 3
    await asyncio.sleep(0.1)
    assert calls[3:] == [[None]]


async def test_a_taker_that_fails_does_not_keep_others_from_their_values(reader: RedisReader, single: Process) -> None:
    trust(single, 1)
    told: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    try:
        reader.read([(1, ["a"])], [], lambda values: values[7])
        assert await read(reader, (1, ["a"])) == [[None]]
    finally:
        loop.set_exception_handler(None)
    assert [type(error) for error in told] == [IndexError]
    assert reader.up


async def test_a_process_that_was_started_again_is_not_trusted_with_the_old_marker(reader: RedisReader, single: Process) -> None:
    trust(single, 1)
    old = reader.run_id
    single.kill()
    await until(lambda: not reader.up)
    single.start()
    with single.client() as client:
        client.mset({marker_key(1): old, "a": "an old state"})
    await until_up(reader)
    assert reader.run_id != old
    assert await read(reader, (1, ["a"])) == [None]
