"""Drives Morsel from outside, as an operator would: the command line in a folder of its own, and the server over HTTP."""

import base64
import http.client
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode


class CommandFailed(Exception):
    """A command ended with an error; the text is what it printed."""


@dataclass(frozen=True)
class Done:
    """A finished command: the JSON it printed, its seconds, and the peak memory of its own process in MiB."""

    result: Any
    seconds: float
    peak_mib: float


@dataclass
class Answers:
    """Lists by user, how many answers came from which rung (with its reason), and the milliseconds each took.

    `shown` counts the items that came with a title and a price.
    """

    lists: dict[str, list[str]] = field(default_factory=dict)
    rungs: Counter[str] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)
    shown: int = 0
    seconds: float = 0.0

    def percentile(self, share: float) -> float:
        """Return the latency that this share of the answers did not exceed (nearest rank)."""
        ordered = sorted(self.milliseconds)
        return ordered[math.ceil(share * len(ordered)) - 1]


class Shop:
    """A Morsel of its own in `folder`; `settings` are MORSEL_* variables without the prefix, others of the caller are dropped."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        own = {"DATA_DIR": str(folder / "data"), "MODEL_DIR": str(folder / "models"), "LOG_LEVEL": "warning", **settings}
        self._folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MORSEL_")}
        self.environment = {**kept, **{f"MORSEL_{name}": value for name, value in own.items()}}

    def run(self, *arguments: str | Path) -> Done:
        """Run `morsel ...` to its end; raises CommandFailed."""
        began = time.monotonic()
        with (self._folder / "stderr").open("w+b") as told:
            process = subprocess.Popen(
                [*_program(), *map(str, arguments)], cwd=self._folder, env=self.environment, stdout=subprocess.PIPE, stderr=told
            )
            peak = _Peak(process.pid)
            out, _ = process.communicate()
            seconds = time.monotonic() - began
            told.seek(0)
            if process.returncode:
                raise CommandFailed(f"morsel {' '.join(map(str, arguments))}: {told.read().decode()}{out.decode()}")
        try:
            result = json.loads(out)
        except ValueError:
            result = out.decode()
        return Done(result, seconds, peak.stop())

    @contextmanager
    def serve(self, workers: int) -> Iterator[str]:
        """Yield the address of `morsel serve` once it is ready."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [*_program(), "serve", "--port", str(port), "--workers", str(workers)]
        process = subprocess.Popen(command, cwd=self._folder, env=self.environment, stdout=subprocess.DEVNULL)
        try:
            address = f"127.0.0.1:{port}"
            until(lambda: process.poll() is None and _status(address, "/readyz") == 200, 120, "the server to become ready")
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


class Caller:
    """A client with credentials: gets a token as any OAuth client does, then asks."""

    def __init__(self, address: str, client_id: str, secret: str) -> None:
        self._address = address
        basic = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
        connection = http.client.HTTPConnection(address, timeout=30)
        status, body = _exchange(connection, "POST", "/oauth/token", headers, b"grant_type=client_credentials")
        connection.close()
        if status != 200:
            raise CommandFailed(f"no token: {status} {body!r}")
        self._headers = {"Authorization": f"Bearer {json.loads(body)['access_token']}"}

    def ask(self, connection: http.client.HTTPConnection, **parameters: str) -> dict[str, Any]:
        """Ask for one answer."""
        status, body = _exchange(connection, "GET", f"/v1/recommendations?{urlencode(parameters)}", self._headers)
        if status != 200:
            raise CommandFailed(f"{status} {body!r}")
        answer: dict[str, Any] = json.loads(body)
        return answer

    def one(self, **parameters: str) -> dict[str, Any]:
        """Ask once, on a connection of its own."""
        connection = http.client.HTTPConnection(self._address, timeout=30)
        try:
            return self.ask(connection, **parameters)
        finally:
            connection.close()

    def ask_all(self, users: Sequence[str], placement: str, connections: int = 4) -> Answers:
        """Ask for every user over a few connections that stay open."""
        answers = Answers()
        lock = threading.Lock()

        def part(mine: Sequence[str]) -> None:
            connection = http.client.HTTPConnection(self._address, timeout=30)
            for user in mine:
                began = time.perf_counter()
                answer = self.ask(connection, placement=placement, user_id=user)
                took = 1000 * (time.perf_counter() - began)
                with lock:
                    answers.lists[user] = [item["item_id"] for item in answer["items"]]
                    answers.rungs[" ".join(filter(None, (answer["source"], answer["fallback_reason"])))] += 1
                    answers.milliseconds.append(took)
                    answers.shown += sum(1 for item in answer["items"] if item["title"] and item["price_formatted"])
            connection.close()

        began = time.perf_counter()
        with ThreadPoolExecutor(connections) as pool:
            list(pool.map(part, [users[first::connections] for first in range(connections)]))
        answers.seconds = time.perf_counter() - began
        return answers


class _Peak:
    """Follows the peak resident memory of a process, children left out, from Linux's /proc; 0 where there is none.

    The figure of `getrusage` would do for neither: it counts embedded servers, and the memory of whoever started the process.
    """

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._peak = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        while not self._ended.wait(0.05):
            try:
                lines = self._status.read_text().splitlines()
            except OSError:
                return
            for line in lines:
                if line.startswith("VmHWM:"):
                    self._peak = max(self._peak, int(line.split()[1]) / 1024)

    def stop(self) -> float:
        """Return the peak in MiB."""
        self._ended.set()
        self._thread.join()
        return self._peak


def until(true: Any, seconds: float, what: str) -> float:
    """Wait until a condition holds; return the seconds it took, raise CommandFailed when they are over."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > seconds:
            raise CommandFailed(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.1)
    return time.monotonic() - began


def counter(address: str, name: str) -> float:
    """Return a series of /metrics, summed over its labels."""
    connection = http.client.HTTPConnection(address, timeout=30)
    _, body = _exchange(connection, "GET", "/metrics", {})
    connection.close()
    return sum(float(line.rpartition(" ")[2]) for line in body.decode().splitlines() if line.partition(" ")[0].partition("{")[0] == name)


def _program() -> list[str]:
    beside = Path(sys.executable).with_name("morsel")
    return [str(beside)] if beside.exists() else [sys.executable, "-m", "app.cli"]


def _status(address: str, path: str) -> int:
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        return _exchange(connection, "GET", path, {})[0]
    except OSError:
        return 0
    finally:
        connection.close()


def _exchange(
    connection: http.client.HTTPConnection, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
) -> tuple[int, bytes]:
    connection.request(method, path, body, dict(headers))
    response = connection.getresponse()
    return response.status, response.read()
