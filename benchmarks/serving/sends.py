"""`make bench-sends`: how many people a second the worker prewarms, with nothing but its own work on the machine.

The worker's own code runs here, without its rate and with two threads, over a shop of 10,000 items whose people have 50 item groups
each; PostgreSQL and Valkey are real. Only what the worker does is timed: no training, no start of servers.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.core import clock, ids, redis
from app.core.db import Database
from app.core.ids import DEFAULT_TENANT
from app.sends import batch, forecast, service, store
from app.sends.batch import Target
from app.sends.domain import Status
from app.sends.jobs import Prewarmer
from app.sends.schemas import NewSend
from benchmarks.serving import setup
from benchmarks.serving.figures import middle, missed, spread, tell
from benchmarks.serving.setup import Shop

TARGET = 2000.0
PLACEMENTS = {"als": "live", "blend": "email-grid"}


class Bench:
    """One shop, and a prewarmer over it that knows no rate."""

    def __init__(self, shop: Shop, threads: int) -> None:
        self.settings = shop.settings.model_copy(update={"prewarm_per_s": 1_000_000, "prewarm_threads": threads})
        self.shop = shop
        self.db = Database(shop.urls.database_url)
        self.nodes = redis.Nodes(shop.urls.redis_url, timeout_ms=5000)
        self.prewarmer = Prewarmer(self.db, self.settings, self.nodes)

    async def announce(self, placement: str, user_ids: list[str] | None = None) -> int:
        """Announce a send to everyone, or to a list; return its number."""
        start = datetime.now(UTC) + timedelta(hours=1)
        wanted = NewSend(placement=placement, duration_s=3600, start=start, everyone=user_ids is None, user_ids=user_ids)
        made = await service.announce(self.db, self.settings, self.shop.urls.redis_url, DEFAULT_TENANT, wanted)
        return made.id or 0

    async def round(self, placement: str) -> tuple[float, float, float, float]:
        """Prewarm everyone, then look again; return people/s, CPU microseconds a person, people/s of the second look, and bytes a list."""
        await self.forget_lists()
        send_no, before = await self.announce(placement), await self.memory()
        per_s, cpu_us, people = await self.until_warm(send_no)
        size = (await self.memory() - before) / people
        await service.cancel(self.db, DEFAULT_TENANT, send_no)
        again = await self.announce(placement)
        looked_per_s, _, _ = await self.until_warm(again)
        kept = await store.send(self.db, DEFAULT_TENANT, again)
        assert kept is not None
        assert kept.already_warm == people, kept
        await service.cancel(self.db, DEFAULT_TENANT, again)
        return per_s, cpu_us, looked_per_s, size

    async def until_warm(self, send_no: int) -> tuple[float, float, int]:
        """Do the worker's steps until a send is warm; return people/s, CPU microseconds a person, and people."""
        await self.prewarmer._follow()
        began, used = time.perf_counter(), time.process_time()
        while await self.prewarmer.step():
            pass
        seconds, used = time.perf_counter() - began, time.process_time() - used
        found = await store.send(self.db, DEFAULT_TENANT, send_no)
        assert found is not None
        assert (found.status, found.failed, found.done) == (Status.WARM, 0, self.shop.people), found
        return found.done / seconds, 1e6 * used / found.done, found.done

    async def one_by_one(self, placement: str, people: int = 500) -> float:
        """Return people/s of the same work for one person after the other: read the state, score, pack, write."""
        await self.prewarmer._follow()
        send = await store.send(self.db, DEFAULT_TENANT, await self.announce(placement))
        assert send is not None
        target, why = self.prewarmer._target(send)
        assert isinstance(target, Target), why
        client = (await self.nodes.all())[0].client
        recipients = await store.people(self.db, send, -1, people)
        began = time.perf_counter()
        for one in recipients:
            states = await store.states(self.db, DEFAULT_TENANT, [one.person_no])
            (value,) = await asyncio.to_thread(batch.score, target, list(states.values()), clock.now().timestamp())
            assert one.keys
            assert value
            _, key = ids.person_keys(DEFAULT_TENANT, one.keys[0], target.recommender, target.wanted.key, "")
            await client.set(key, value, ex=3600)
        seconds = time.perf_counter() - began
        await service.cancel(self.db, DEFAULT_TENANT, send.send_no)
        return len(recipients) / seconds

    async def forget_lists(self) -> None:
        """Remove every list."""
        client = (await self.nodes.all())[0].client
        keys = [key async for key in client.scan_iter("m:*:c:*", count=5000)]
        for first in range(0, len(keys), 5000):
            await client.unlink(*keys[first : first + 5000])

    async def memory(self) -> int:
        """Return the bytes that Redis uses."""
        info = await (await self.nodes.all())[0].client.info("memory")
        return int(info["used_memory"])

    async def close(self) -> None:
        """Close connections and threads."""
        await self.prewarmer.close()
        await self.nodes.aclose()
        await self.db.close()


async def measure(shop: Shop, rounds: int, threads: int) -> None:
    """Measure and print."""
    bench = Bench(shop, threads)
    try:
        for name, placement in PLACEMENTS.items():
            baseline = await bench.one_by_one(placement)
            await bench.round(placement)  # the first one also pays for what stays
            found = [await bench.round(placement) for _ in range(rounds)]
            per_s, cpu_us, looked, size = zip(*found, strict=True)
            tell(f"prewarm_{name}", middle(per_s), "people/s", target=TARGET)
            tell(f"prewarm_{name}_spread", spread(per_s), "people/s")
            tell(f"prewarm_{name}_beside_one_by_one", middle(per_s), "people/s", baseline=baseline)
            tell(f"prewarm_{name}_cpu", middle(cpu_us), "us")
            tell(f"look_again_{name}", middle(looked), "people/s")
            tell(f"list_{name}", middle(size), "bytes", baseline=float(forecast.memory_bytes(1, bench.settings.candidates)))
        ids_given = [f"p{number}" for number in range(100_000)]
        began = time.perf_counter()
        send_no = await bench.announce("email-grid", ids_given)
        tell("announce_100000_ids", time.perf_counter() - began, "s")
        await service.cancel(bench.db, DEFAULT_TENANT, send_no)
    finally:
        await bench.close()


def main() -> None:
    """Build a shop or find it again, and measure."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--items", type=int, default=10_000)
    arguments.add_argument("--people", type=int, default=10_000)
    arguments.add_argument("--keep", type=Path, default=None, help="Folder to build the shop in and to find it again.")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="morsel-bench-") as temporary:
        folder = given.keep or Path(temporary)
        with setup.shop(folder, given.items, given.people, ("als", "personal")) as shop:
            asyncio.run(measure(shop, given.rounds, given.threads))
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
