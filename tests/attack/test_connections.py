"""A connection that sends without end, sends nothing, or does not read, ends; all others are answered to the last request."""

import asyncio
import json

import pytest

from app.core import connection, draining, telemetry
from app.serving.edge import protocol
from tests.attack.peer import LONG, SHORT, Listening

WAYS = pytest.mark.parametrize("target", [SHORT, LONG])


def ended(why: str) -> float:
    return telemetry.CONNECTIONS_ENDED.labels(why)._value.get()


@WAYS
async def test_a_head_over_64_kb_is_told_431_and_the_connection_ends(door: Listening, target: str) -> None:
    for more in (f"x-long: {'a' * 65_536}\r\n", "".join(f"x-{n}: {'b' * 90}\r\n" for n in range(700))):
        for size in (10_000_000, 1_000):
            request = door.get(target, more=more)
            async with door.peer() as peer:
                await peer.send(*(request[at : at + size] for at in range(0, len(request), size)))
                (answer,) = await peer.rest()
            assert (answer.status, json.loads(answer.body)["code"]) == (431, "head_too_large")
            assert answer.told_to_close
    fitting = door.get(target, more=f"x-long: {'a' * 60_000}\r\n")
    async with door.peer() as peer:
        await peer.send(fitting)
        assert (await peer.answer()).status == 200


@pytest.mark.parametrize("begin", [b"GET /livez HTTP/1.1\r\nhost: t\r\nx: ", b"GET /", b"GET /livez HTTP/1.1\r\nhost: t\r\nx:", b"GET "])
async def test_a_head_without_end_is_not_taken_further_than_64_kb(door: Listening, begin: bytes) -> None:
    async with door.peer() as peer:
        await peer.send(begin)
        filler = b" " if begin.endswith(b"x:") else b"a"
        for _ in range(200):
            await peer.send(filler * 10_000)
        (answer,) = await peer.rest()
        assert answer.status in (400, 431)
        assert door.made[-1].deaf
    async with asyncio.timeout(5):
        while door.state.connections:  # noqa: ASYNC110 - nobody tells when the other end is closed
            await asyncio.sleep(0.01)


async def test_trailers_and_chunk_extensions_without_end_are_refused_and_name_nobody(door: Listening) -> None:
    head = b"POST /v1/track HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n"
    for endless in (b"0\r\n" + b"x-a: bbbbbbbb\r\n" * 20_000, b"5;" + b"e" * 200_000, b"0\r\nx: " + b"c" * 200_000):
        async with door.peer() as peer:
            await peer.send(head, *(endless[at : at + 5_000] for at in range(0, len(endless), 5_000)))
            assert [answer.status for answer in await peer.rest()] in ([431], [400])
    async with door.peer() as peer:
        await peer.send(head + b"2\r\n{}\r\n0\r\nx-api-key: " + door.key.encode() + b"\r\n\r\n")
        assert (await peer.answer()).status == 401


async def test_heads_are_remembered_of_known_callers_only_when_small_and_never_beyond_their_room(
    door: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = protocol._Heads()
    monkeypatch.setattr(protocol, "_heads", kept)
    async with door.peer() as peer:
        for number in range(5):
            await peer.send(door.get(more=f"x-n: {number}\r\n").replace(door.key.encode(), b"mk_api_unknown"))
            assert (await peer.answer()).status == 401
        await peer.send(door.get(more=f"x-n: {'a' * 5_000}\r\n"))
        assert (await peer.answer()).status == 200
        assert not kept.known
        monkeypatch.setattr(protocol, "_MOST_KEPT", 40_000)
        for number in range(60):
            await peer.send(door.get(more="a:\r\n" * 20 + f"x-n: {number}\r\n"))
            assert (await peer.answer()).status == 200
    held = sum(protocol._cost(raw, head) for raw, head in kept.known.items())
    assert 0 < held == kept._bytes <= 40_000
    assert len(kept.known) < 10, "a field costs what it holds, not its bytes"


@WAYS
@pytest.mark.parametrize(
    ("host", "version", "status"),
    [
        ("", "1.1", 400),
        ("host: a\r\nhost: b\r\n", "1.1", 400),
        ("host: a b/c\r\n", "1.1", 400),
        ("host: a@b\r\n", "1.1", 400),
        ("host: [::1\r\n", "1.1", 400),
        ("host: [::1]:80\r\n", "1.1", 200),
        ("host: shop.example:8000\r\n", "1.1", 200),
        ("", "1.0", 200),
        ("host: a\r\nhost: b\r\n", "1.0", 400),
        ("host: a\r\n", "2.0", 505),
    ],
)
async def test_the_host_and_the_version_are_judged_alike_on_both_ways(
    door: Listening, target: str, host: str, version: str, status: int
) -> None:
    async with door.peer() as peer:
        await peer.send(door.get(target, host=host, version=version))
        answer = await peer.answer()
        assert answer.status == status
        if status != 200:
            assert answer.told_to_close
            assert await peer.rest() == []


@WAYS
async def test_white_space_around_a_key_is_not_part_of_it_and_two_keys_are_nobodys(door: Listening, target: str) -> None:
    target = target if target == SHORT else "/v1/admin/placements"
    for name in ("x-api-key", "X-Api-Key"):
        for value in (f"{door.key} ", f"\t{door.key}\t ", f" {door.key}"):
            async with door.peer() as peer:
                await peer.send(f"GET {target} HTTP/1.1\r\nhost: t\r\n{name}:{value}\r\n\r\n".encode())
                assert (await peer.answer()).status == 200
    for second in (door.key, "mk_api_unknown"):
        async with door.peer() as peer:
            await peer.send(door.get(target, more=f"x-api-key: {second}\r\n"))
            assert (await peer.answer()).status == 401


@WAYS
async def test_a_bad_second_request_does_not_swallow_the_answer_to_the_first(door: Listening, target: str) -> None:
    for second in (b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n"):
        for parts in ((door.get(target) + second,), (door.get(target), second), (door.get(target) * 3 + second,)):
            for half in (False, True):
                async with door.peer() as peer:
                    await peer.send(*parts)
                    if half:
                        peer.writer.write_eof()
                    statuses = [answer.status for answer in await peer.rest()]
                assert statuses == [200] * (3 if len(parts[0]) > 2 * len(door.get(target)) else 1) + [400]


async def test_an_upgrade_is_answered_as_what_it_is_and_nothing_behind_it_is_taken_for_a_request(door: Listening) -> None:
    upgrade = door.get(LONG, more="connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 200\r\n")
    for parts in ((upgrade + door.get(LONG),), (upgrade, door.get(LONG))):
        async with door.peer() as peer:
            await peer.send(*parts)
            assert [(answer.status, answer.told_to_close) for answer in await peer.rest()] == [(200, True)]


@WAYS
async def test_a_half_close_behind_a_request_is_answered_and_then_the_connection_ends(door: Listening, target: str) -> None:
    for parts, count in (((door.get(target),), 1), ((door.get(target)[:20], door.get(target)[20:]), 1), ((door.get(target) * 3,), 3)):
        async with door.peer() as peer:
            await peer.send(*parts)
            peer.writer.write_eof()
            assert [answer.status for answer in await peer.rest(5)] == [200] * count
    async with door.peer() as peer:  # what is not whole is no request
        await peer.send(door.get(target) + b"GET / HT")
        peer.writer.write_eof()
        assert [answer.status for answer in await peer.rest(5)] == [200]


async def test_a_half_close_in_a_body_ends_the_connection_without_an_answer(door: Listening) -> None:
    async with door.peer() as peer:
        await peer.send(f"POST /v1/track HTTP/1.1\r\nhost: t\r\nx-api-key: {door.key}\r\ncontent-length: 50\r\n\r\n{{".encode())
        peer.writer.write_eof()
        assert await peer.rest(5) == []


async def test_connections_that_never_ask_never_end_their_head_or_never_end_their_body_are_ended(
    door: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_S", 0.3)
    monkeypatch.setattr(connection, "BODY_PAUSE_S", 0.3)
    monkeypatch.setattr(connection, "MESSAGE_S", 1.0)
    post = b"POST /v1/track HTTP/1.1\r\nhost: t\r\ncontent-length: 1000\r\n\r\n"
    before = ended("408")
    for parts in ((b"G",), (b"GET /v1/recommendations?placement=a HTTP/1.1\r\nhost",), (post,), (post, b"{")):
        async with door.peer() as peer:
            await peer.send(*parts)
            assert [answer.status for answer in await peer.rest(3)] in ([408], [401])
    async with door.peer() as peer:  # drop by drop is no progress
        for _ in range(20):
            await peer.send(b"a" if _ else b"GET /")
            await asyncio.sleep(0.05)
        assert [answer.status for answer in await peer.rest(3)] == [408]
    authorized = post.replace(b"\r\n\r\n", b"\r\nx-api-key: " + door.key.encode() + b"\r\n\r\n")
    async with door.peer() as peer:
        await peer.send(authorized)
        for _ in range(8):
            await peer.send(b" ")
            await asyncio.sleep(0.2)
        assert [answer.status for answer in await peer.rest(3)] == [408], "a body may take its time, but not for ever"
    assert ended("408") > before


@pytest.mark.parametrize("begin", [b"", b"\r\n\r\n", SHORT.encode(), LONG.encode()])
async def test_a_silent_connection_is_closed_after_the_keep_alive_time(door: Listening, begin: bytes) -> None:
    async with door.peer() as peer:
        await peer.send(b"")
        door_end = await made(door)
        door_end.timeout_keep_alive = 1
        if door_end.timeout_keep_alive_task is not None:  # begun with the time of before
            door_end._unset_keepalive_if_required()
            door_end._await_request()
        if begin.startswith(b"/"):
            await peer.send(door.get(begin.decode()))
            assert (await peer.answer()).status == 200
        else:
            await peer.send(begin)
        assert await peer.rest(5) == []


async def made(door: Listening) -> protocol.ServingProtocol:
    while not door.made or door.made[-1].transport is None:  # noqa: ASYNC110 - nobody tells when the other end was accepted
        await asyncio.sleep(0.01)
    return door.made[-1]


@WAYS
async def test_a_caller_who_asks_and_never_reads_is_not_read_further_and_given_up(
    door: Listening, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "STALLED_S", 2.0)
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port, limit=2)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    end, request = await made(door), door.get(target if target == SHORT else "/openapi.json")
    before = ended("stalled")
    most = 0
    try:
        async with asyncio.timeout(60):
            while not end.transport.is_closing():
                writer.write(request)
                await asyncio.sleep(0)
                most = max(most, end.transport.get_write_buffer_size() + len(end.held) + 500 * len(end.pipeline))
                if writer.transport.get_write_buffer_size() > 200_000:  # no longer read
                    await asyncio.sleep(0.1)
    finally:
        writer.close()
    assert most < 2_000_000
    assert ended("stalled") == before + 1
    del reader


async def test_thousands_of_requests_in_one_piece_are_queued_a_few_at_a_time_and_all_answered(door: Listening) -> None:
    async with door.peer() as peer:
        sending = asyncio.create_task(peer.send(*[door.get(LONG) * 100] * 10))
        deepest = 0
        for _ in range(1_000):
            assert (await peer.answer()).status == 200
            deepest = max(deepest, len(door.made[-1].pipeline))
        await sending
    assert 0 < deepest < 400


@WAYS
async def test_a_busy_connection_of_a_server_that_stops_is_told_with_its_next_answer_and_loses_none(
    door: Listening, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "GRACE_S", 0.3)
    async with door.peer() as peer:
        await peer.send(door.get(target))
        assert not (await peer.answer()).told_to_close
        end = await made(door)
        end.shutdown()
        await asyncio.sleep(0.05)
        await peer.send(door.get(target))
        answers = await peer.rest(5)
        assert [(answer.status, answer.told_to_close) for answer in answers] == [(200, True)]
    async with door.peer() as peer:  # accepted while the server stops
        await peer.send(door.get(target) * 4)
        answers = await peer.rest(5)
        assert [(answer.status, answer.told_to_close) for answer in answers] == [(200, False)] * 3 + [(200, True)]
    async with door.peer() as peer:  # silent
        assert await peer.rest(5) == []


@WAYS
async def test_a_request_that_is_under_way_when_the_server_stops_is_answered_as_the_last(door: Listening, target: str) -> None:
    async with door.peer() as peer:
        end = await made(door)
        # the answer of a letter is pinned, for which it waits; another one may be written at once
        end.data_received(door.get(f"{target}&user_id=u1&send_id=mail" if target == SHORT else target))
        end.shutdown()
        answers = await peer.rest(5)
        assert [answer.status for answer in answers] == [200]
        assert answers[0].told_to_close
