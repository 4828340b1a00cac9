"""A stream of events with doubles and disorder into a whole `morsel serve`, while its processes are killed at random moments."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import orjson
import psutil

from app.commands.context import free_port
from tests.e2e.serving import _await_ready

VICTIMS = ("server", "worker", "postgres", "valkey")
ITEMS = 40
_SENDERS = 4
_BATCH = 50
_START = 1_767_225_600  # 2026-01-01
_NAMES = ("Product Viewed", "Product Clicked", "Product Added", "Product Removed", "Product Added to Wishlist")


def messages(count: int, people: int, random_: random.Random) -> list[dict[str, Any]]:
    """Return different messages of some people over forty days, who are anonymous at first; some only tell who is who."""
    made = []
    for number in range(count):
        who, moment = random_.randrange(people), _START + random_.random() * 40 * 86_400
        ids = {"userId": f"u{who}"} if random_.random() < 0.6 else {"anonymousId": f"a{who}"}
        message: dict[str, Any] = {"type": "track", "messageId": f"m{number}", "timestamp": moment, **ids}
        chance = random_.random()
        if number < people:
            # so that every group is whole in the end, and known by its user id
            message |= {"type": "identify", "userId": f"u{number}", "anonymousId": f"a{number}", "traits": {"n": number}}
        elif chance < 0.1:
            message |= {"type": "page", "properties": {"path": f"/{number}"}}
        elif chance < 0.2:
            products = [{"product_id": f"i{random_.randrange(ITEMS)}", "quantity": random_.randint(1, 3), "price": 5.5} for _ in range(3)]
            message |= {"event": "Order Completed", "properties": {"order_id": f"o{number}", "products": products}}
        else:
            message |= {"event": random_.choice(_NAMES), "properties": {"product_id": f"i{random_.randrange(ITEMS)}"}}
        made.append(message)
    random_.shuffle(made)
    return made


def rows_of(message: dict[str, Any]) -> int:
    """Return how many events a message is."""
    return len(message.get("properties", {}).get("products", [0]))


def batches(every: list[dict[str, Any]], random_: random.Random) -> list[bytes]:
    """Return bodies that hold every message, and every fifth once more in a later or the same one."""
    doubled = every + [one for one in every if random_.random() < 0.2]
    order = sorted(range(len(doubled)), key=lambda place: place % len(every) + random_.random() * 500)
    chosen = [doubled[place] for place in order]
    return [orjson.dumps({"batch": chosen[at : at + _BATCH]}) for at in range(0, len(chosen), _BATCH)]


class Town:
    """`morsel serve` with everything of its own: server process, worker, PostgreSQL and Valkey."""

    def __init__(self, data: Path, port: int) -> None:
        self._data = data
        self.address = f"http://127.0.0.1:{port}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MORSEL_")}
        self.environment = environment | {"MORSEL_DATA_DIR": str(data), "MORSEL_LOG_LEVEL": "error", "MORSEL_PORT": str(port)}
        command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port), "--workers", "1"]
        self._log = (data.parent / "serve.log").open("ab")
        self.process = subprocess.Popen(command, env=self.environment, stdout=self._log, stderr=self._log)
        _await_ready(self.address, self.process)

    def find(self, victim: str) -> psutil.Process | None:
        """Return the process of a name, if it lives now."""
        for one in psutil.process_iter(["pid", "ppid", "cmdline"]):
            line = " ".join(one.info["cmdline"] or ())
            if victim == "server" and one.info["ppid"] == self.process.pid and "spawn_main" in line:
                return one
            if victim == "worker" and one.info["ppid"] == self.process.pid and line.endswith("app.cli worker"):
                return one
            if victim == "postgres" and f"-D {self._data}/postgresql" in line:
                return one
            if victim == "valkey" and "valkey-server" in line and str(self._data) in line:
                return one
        return None

    def close(self) -> None:
        """End it in order."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self._log.close()


@contextmanager
def town(data: Path) -> Iterator[Town]:
    """Yield a running one."""
    found = Town(data, free_port())
    try:
        yield found
    finally:
        found.close()


@dataclass
class Told:
    """What senders were told, and who was killed."""

    answered: int = 0
    tries: int = 0
    killed: list[str] = field(default_factory=list)


def stream(place: Town, write_key: str, bodies: list[bytes], kills: int, random_: random.Random, seconds: float) -> Told:
    """Send all bodies until each is acknowledged, while processes are killed; raises AssertionError when that takes too long."""
    told, lock, end = Told(), threading.Lock(), time.monotonic() + seconds
    waiting = iter(bodies)

    def send() -> None:
        with httpx2.Client(base_url=place.address, auth=(write_key, ""), timeout=10) as http:
            while True:
                with lock:
                    body = next(waiting, None)
                if body is None:
                    return
                while not _acknowledged(http, body):
                    told.tries += 1
                    if time.monotonic() > end:
                        return
                    time.sleep(0.05)
                with lock:
                    told.answered += 1

    senders = [threading.Thread(target=send) for _ in range(_SENDERS)]
    for one in senders:
        one.start()
    # spread over the stream by what was answered, so that a slow machine meets as many kills as a fast one
    moments = sorted(random_.random() * 0.95 for _ in range(kills))
    for moment in moments:
        while told.answered < moment * len(bodies) and time.monotonic() < end:
            time.sleep(0.005)
        victim = random_.choice(VICTIMS) if len(told.killed) >= len(VICTIMS) else VICTIMS[len(told.killed)]
        while (found := place.find(victim)) is None and time.monotonic() < end:
            time.sleep(0.02)
        if found is not None:
            time.sleep(random_.random() * 0.02)
            found.kill()
            told.killed.append(victim)
    for one in senders:
        one.join()
    assert told.answered == len(bodies), f"{told.answered} of {len(bodies)} bodies were acknowledged in time"
    return told


def _acknowledged(http: httpx2.Client, body: bytes) -> bool:
    try:
        answer = http.post("/v1/batch", content=body, headers={"Content-Type": "application/json"})
    except httpx2.TransportError:
        return False
    if answer.status_code == 200:
        assert answer.json()["refused"] == []
        return True
    assert answer.status_code >= 500, answer.text
    return False
