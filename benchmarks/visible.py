"""How long an accepted event takes until the next answer knows it, over a real server with its worker.

Part of `make bench-events`; alone: `python benchmarks/visible.py --events 200`.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx2

from app.access import service as access
from app.access.domain import ClientKind, Scope
from app.access.schemas import NewClient, NewKey
from app.core import logging, migrations
from app.core.db import Database
from app.core.embedded import services
from app.core.ids import DEFAULT_TENANT
from app.core.partitions import ensure_partitions
from app.core.settings import Settings
from app.data.catalogue.service import put_items
from benchmarks.driving import counter, until
from benchmarks.serving import figures, processes, setup

ITEMS, PEOPLE = 500, 200
# What is promised of 99 events in a hundred, in ms.
PROMISED_MS = 1_000
_LOOK_S = 0.01
_LANES = 4
_BATCH = 100


async def key_of(settings: Settings, url: str) -> str:
    """Fill a catalogue and return a key that may send, ask and see why."""
    db = Database(url)
    try:
        await put_items(db, settings, DEFAULT_TENANT, [setup.item(number) for number in range(ITEMS)])
        await ensure_partitions(db)
        scopes = [Scope.EVENTS, Scope.RECOMMEND, Scope.ADMIN_READ]
        wanted = NewClient(name="bench", kind=ClientKind.SERVICE, scopes=scopes, rate_limit="1000000000/minute")
        made = await access.create_client(db, settings, DEFAULT_TENANT, wanted)
        return (await access.create_key(db, DEFAULT_TENANT, made.client_id, NewKey())).key
    finally:
        await db.close()


async def one(http: httpx2.AsyncClient, user: str, item: str) -> float:
    """Send an event and ask until an answer's history begins with its item; return the milliseconds from its acknowledgement."""
    message = {"event": "Product Viewed", "userId": user, "properties": {"product_id": item}}
    (await http.post("/v1/track", json=message)).raise_for_status()
    began = time.perf_counter()
    while True:
        answer = await http.get("/v1/recommendations", params={"placement": "home-popular", "user_id": user, "explain": "1"})
        answer.raise_for_status()
        if answer.json()["explain"]["history"][:1] == [item]:
            return 1_000 * (time.perf_counter() - began)
        await asyncio.sleep(_LOOK_S)


async def send_all(address: str, key: str, events: int, *, busy_per_s: int = 0) -> list[float]:
    """Send events of different people at random moments; return the milliseconds that each took to show."""
    chance = random.Random(1)
    headers = {"X-Api-Key": key}
    async with httpx2.AsyncClient(base_url=f"http://{address}", headers=headers, timeout=30) as http:
        others = asyncio.create_task(_busy(http, busy_per_s)) if busy_per_s else None

        async def lane(first: int) -> list[float]:
            found = []
            for number in range(first, events, _LANES):
                await asyncio.sleep(chance.random() * 0.2)
                found.append(await one(http, f"v{busy_per_s}-{number % PEOPLE}", setup.item(number % ITEMS)["id"]))
            return found

        lanes = await asyncio.gather(*(lane(first) for first in range(_LANES)))
        if others is not None:
            others.cancel()
            await asyncio.gather(others, return_exceptions=True)
    return sorted(ms for found in lanes for ms in found)


async def _busy(http: httpx2.AsyncClient, per_s: int) -> None:
    """Send batches of other people's events all the while."""
    number = 0
    while True:
        began = time.perf_counter()
        messages = []
        for _ in range(_BATCH):
            number += 1
            item = setup.item(number % ITEMS)["id"]
            who = f"p{number % 5_000}"
            messages.append({"type": "track", "event": "Product Viewed", "userId": who, "properties": {"product_id": item}})
        (await http.post("/v1/batch", json={"batch": messages})).raise_for_status()
        await asyncio.sleep(max(0.0, _BATCH / per_s - (time.perf_counter() - began)))


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value that this share does not exceed."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def visible(events: int) -> None:
    """Measure and tell, on a quiet server and on one that takes 1,000 events a second beside."""
    with tempfile.TemporaryDirectory(prefix="morsel-bench-") as folder:
        settings = Settings(data_dir=Path(folder) / "data", model_dir=Path(folder) / "models", log_level="error")
        with services(settings) as urls:
            migrations.upgrade(urls.database_url)
            key = asyncio.run(key_of(settings, urls.database_url))
            with processes.morsel(setup.variables(settings, urls) | {"MORSEL_PROBE_EVERY_S": "2"}) as running:
                address = f"127.0.0.1:{running.port}"
                until(lambda: counter(address, "morsel_probe_seconds_count") > 0, 60, "the worker")
                quiet = asyncio.run(send_all(address, key, events))
                figures.tell("event_visible_p50", percentile(quiet, 0.5), "ms")
                figures.tell("event_visible_p99", percentile(quiet, 0.99), "ms", most=PROMISED_MS)
                busy = asyncio.run(send_all(address, key, events, busy_per_s=1_000))
                figures.tell("event_visible_p99_at_1000_a_second", percentile(busy, 0.99), "ms", most=PROMISED_MS)
                groups = counter(address, "morsel_event_freshness_seconds_count")
                figures.tell("event_groups_measured_by_the_worker", groups, "groups")


def main() -> int:
    """Measure; the status is 1 when a target was missed."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--events", type=int, default=400)
    given = arguments.parse_args()
    logging.configure("error", "console")
    visible(given.events)
    return 1 if figures.missed else 0


if __name__ == "__main__":
    sys.exit(main())
