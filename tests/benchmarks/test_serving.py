"""The serving benchmark's own tools: what they count is what happened."""

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.serving import figures, pacing, wrk
from benchmarks.serving.processes import Running
from tests.conftest import needs


@contextmanager
def answering(late_every: int = 0, deadline_every: int = 0, bad_every: int = 0) -> Iterator[tuple[int, list[int]]]:
    """Serve HTTP; every so manieth person's answer is late, says `deadline` or is a 503. Yields the port and the persons asked for."""
    ready, asked = threading.Event(), []
    state: dict[str, object] = {}

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readuntil(b"\r\n\r\n"):
                person = int(line.split(b" ")[1].rpartition(b"p")[2])
                asked.append(person)
                if late_every and person % late_every == 0:
                    await asyncio.sleep(0.4)
                reason = b"deadline" if deadline_every and person % deadline_every == 0 else b""
                body = b'{"fallback_reason":"' + reason + b'"}' + b" " * 3000
                status = b"503 Busy" if bad_every and person % bad_every == 0 else b"200 OK"
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(connection, "127.0.0.1", 0)
        state["port"], state["loop"], state["stop"] = server.sockets[0].getsockname()[1], asyncio.get_running_loop(), asyncio.Event()
        ready.set()
        await state["stop"].wait()  # type: ignore[attr-defined]
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield int(state["port"]), asked  # type: ignore[call-overload]
    finally:
        state["loop"].call_soon_threadsafe(state["stop"].set)  # type: ignore[attr-defined]
        thread.join(10)


def plan(port: int, *, connections: int = 60, rate: float = 150, seconds: float = 2, people: int = 1000) -> pacing.Plan:
    return pacing.Plan(port, "/?user_id=p", "", "token", people, 0, connections, rate, seconds)


def test_a_paced_client_keeps_its_rate_and_asks_for_everybody_in_turn() -> None:
    with answering() as (port, asked):
        seen = pacing.drive(plan(port))
    assert 200 < seen.sent < 400
    assert (seen.answered, seen.bad, seen.missed) == (seen.sent, 0, 0)
    assert sorted(asked) == list(range(1, seen.sent + 1))
    assert 0 < seen.p50_ms <= seen.p99_ms <= seen.longest_ms < 300
    assert seen.client_cpu_us > 0


def test_late_and_given_up_answers_are_counted_once() -> None:
    with answering(late_every=10, deadline_every=5) as (port, _):
        seen = pacing.drive(plan(port))
    assert seen.late == seen.sent // 10
    assert seen.deadline == seen.missed == seen.sent // 5
    assert seen.longest_ms > 400


def test_bad_answers_are_told_apart() -> None:
    with answering(bad_every=4) as (port, _):
        seen = pacing.drive(plan(port))
    assert seen.bad == seen.sent // 4
    assert seen.answered == seen.sent - seen.bad
    assert seen.missed == 0


def test_what_waits_for_a_connection_is_late_too() -> None:
    """A server that stops answering must not slow the client down: requests that were due count, sent or not."""
    with answering(late_every=1) as (port, _):
        seen = pacing.drive(plan(port, connections=4, rate=100, seconds=1))
    assert seen.missed > 60
    assert seen.longest_ms > 2000, "time runs from the moment a request was due"


@needs("wrk")
def test_wrk_ends_before_anybody_comes_twice_and_tells_the_rate_of_the_time_it_ran(tmp_path: Path) -> None:
    with answering() as (port, asked):
        target = wrk.Target("t", Running(port, (os.getpid(),), 0.0), "/?user_id=p", 300, once=True)
        sample = wrk.measure(target, 4, 2, tmp_path)
    assert 290 <= sample.requests <= 300
    # wrk makes one request before the others, to see whether it can
    assert len(asked) - len(set(asked)) <= 1
    assert sample.rps > 400, "300 requests take far less than the 2 s of the run"
    assert (sample.bad, sample.late) == (0, 0)


def test_a_figure_says_whether_its_target_is_met(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "missed", [])
    figures.tell("cost", 200.0, "us/request", baseline=100.0, target=0.5)
    figures.tell("rate", 700.0, "requests/s", baseline=100.0, target=8.0)
    figures.tell("size", 500.0, "MB", most=450)
    figures.tell("plain", 1.0, "s")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["ratio"], one["ok"]) for one in lines] == [(0.5, True), (7.0, False), (None, False), (None, None)]
    assert figures.missed == ["rate", "size"]
