"""A client that keeps a rate, whatever the server does: `python -m benchmarks.serving.pacing` in a process of its own.

Requests are due at random moments (a Poisson process). A request that is due leaves on any connection that is free, else waits for
one, and its time runs from the moment it was due: a slow server cannot slow the client down and so look better than it is. The
client looks at its clock once a millisecond, which adds up to 1 ms to every time.
"""

import argparse
import asyncio
import gc
import json
import random
import resource
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

DEADLINE_S = 0.3
_TICK_S = 0.001
_PATIENCE_S = 10.0
_MISSED = b'"fallback_reason":"deadline"'


@dataclass(frozen=True)
class Plan:
    """What to send: `rate` requests a second for `seconds`, for person `first`, `first` + 1 ... of `people`."""

    port: int
    path: str
    tail: str
    token: str
    people: int
    first: int
    connections: int
    rate: float
    seconds: float


@dataclass(frozen=True)
class Seen:
    """What came back. `missed` answers were late (over 300 ms), said `deadline`, or never came; `bad` had another status than 200.

    `client_cpu_us` is what this client itself needed a request.
    """

    sent: int
    answered: int
    bad: int
    late: int
    deadline: int
    missed: int
    p50_ms: float
    p99_ms: float
    longest_ms: float
    client_cpu_us: float


class _Connection(asyncio.Protocol):
    """One connection: one request at a time."""

    def __init__(self, driver: "_Driver") -> None:
        self._driver = driver
        self._left = 0
        self._head = b""
        self._parts: list[bytes] = []
        self.transport: asyncio.Transport | None = None
        self.due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def send(self, due: float, request: bytes) -> None:
        self.due = due
        assert self.transport is not None
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        if not self._parts:
            end = data.find(b"\r\n\r\n")
            if end < 0:  # a head in two pieces does not happen on one machine, unless something is wrong
                data = self._head + data
                end = data.find(b"\r\n\r\n")
                if end < 0:
                    self._head = data
                    return
                self._head = b""
            self._left = end + 4 + _length(data[:end])
        self._parts.append(data)
        self._left -= len(data)
        if self._left <= 0:
            whole, self._parts = b"".join(self._parts), []
            self._driver.answered(self, whole)

    def connection_lost(self, exc: Exception | None) -> None:
        self._driver.lost += 1


def _length(head: bytes) -> int:
    at = head.find(b"content-length:")
    if at < 0:
        at = head.lower().find(b"content-length:")
    return int(head[at + 15 :].partition(b"\r")[0])


class _Driver:
    """Sends what is due, and notes what comes back."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._loop = asyncio.get_running_loop()
        self._free: deque[_Connection] = deque()
        self._waiting: deque[float] = deque()
        self._number = plan.first
        self._times: list[float] = []
        self.sent = self.bad = self.deadline = self.late = self.missed = self.lost = 0
        self._head = f" HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {plan.token}\r\n\r\n"

    async def run(self) -> Seen:
        """Connect, send, wait for the last answers."""
        for _ in range(self._plan.connections):
            _, connection = await self._loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._plan.port)
            self._free.append(connection)
        gc.collect()
        gc.freeze()
        before = _own_cpu()
        due = self._moments(self._loop.time() + 0.01)
        following = next(due)
        end = self._loop.time() + self._plan.seconds
        while (now := self._loop.time()) < end:
            while following <= now:
                self._waiting.append(following)
                following = next(due)
            self._send_waiting()
            await asyncio.sleep(_TICK_S)
        for _ in range(int(_PATIENCE_S / 0.01)):
            if len(self._times) + self.bad == self.sent + len(self._waiting):
                break
            await asyncio.sleep(0.01)
        used = _own_cpu() - before
        return self._seen(used)

    def _moments(self, start: float) -> Iterator[float]:
        draw = random.Random(1).expovariate
        while True:
            start += draw(self._plan.rate)
            yield start

    def _send_waiting(self) -> None:
        plan = self._plan
        while self._waiting and self._free:
            self._number += 1
            self.sent += 1
            request = f"GET {plan.path}{self._number % plan.people}{plan.tail}{self._head}"
            self._free.popleft().send(self._waiting.popleft(), request.encode())

    def answered(self, connection: _Connection, whole: bytes) -> None:
        """Note an answer; its connection is free again."""
        took = self._loop.time() - connection.due
        self._free.append(connection)
        if whole[9:12] != b"200":
            self.bad += 1
        else:
            self._times.append(took)
            late, deadline = took > DEADLINE_S, _MISSED in whole
            self.late += late
            self.deadline += deadline
            self.missed += late or deadline
        if self._waiting:
            self._send_waiting()

    def _seen(self, used: float) -> Seen:
        times = sorted(self._times)
        unanswered = self.sent + len(self._waiting) - len(times) - self.bad

        def at(share: float) -> float:
            return 1000 * times[min(len(times) - 1, int(share * len(times)))] if times else 1000 * _PATIENCE_S

        return Seen(
            self.sent, len(times), self.bad, self.late, self.deadline, self.missed + unanswered,
            at(0.5), at(0.99), at(1.0), used / max(1, self.sent) * 1e6,
        )  # fmt: skip


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def drive(plan: Plan) -> Seen:
    """Run a plan in a process of its own and return what it saw."""
    command = [sys.executable, "-m", "benchmarks.serving.pacing"]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, input=json.dumps(asdict(plan)), capture_output=True, text=True, check=True)
    return Seen(**json.loads(done.stdout))


def main() -> None:
    """Read a plan as JSON from standard input, print what was seen."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    plan = Plan(**json.load(sys.stdin))

    async def run() -> Seen:
        return await _Driver(plan).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(asdict(runner.run(run()))))


if __name__ == "__main__":
    main()
