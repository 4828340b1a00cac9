"""A real server while Redis fails in every way: each answer 200, full, within its deadline, and personal as long as PostgreSQL lives."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from app.core.db import Database
from app.core.settings import Settings
from tests.databases import Databases
from tests.e2e.serving import served
from tests.serving.redis.processes import Cluster, Process, Watched, tell, within
from tests.serving.redis.proxy import in_front_of
from tests.serving.shop import a_key, running, stock

DEADLINE_MS = 300
PERSONAL = {"live", "cached"}


@dataclass
class Seen:
    """What a number of calls came to."""

    statuses: Counter[int] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    slowest_ms: float = 0.0
    short: int = 0

    @property
    def personal(self) -> float:
        """The share of answers that are the person's own."""
        return sum(self.sources[source] for source in PERSONAL) / max(1, self.sources.total())


class Caller:
    """Calls a server for many people, some of them with a send, whose answers are pinned in Redis."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http
        self._calls = 0

    async def ask(self, calls: int, together: int = 4) -> Seen:
        """Make calls, some at the same time; the time of each is the server's own."""
        seen, turn = Seen(), asyncio.Semaphore(together)

        async def one(number: int) -> None:
            async with turn:
                params = {"placement": "email-grid", "user_id": f"u{number % 160}"}
                if number % 4 == 0:
                    params["send_id"] = f"send{number}"
                answer = await self._http.get("/v1/recommendations", params=params)
            seen.statuses[answer.status_code] += 1
            seen.sources[answer.json()["source"]] += 1
            seen.short += answer.json()["item_count"] != 6
            total = re.search(r"total;dur=([\d.]+)", answer.headers["server-timing"])
            assert total is not None
            seen.slowest_ms = max(seen.slowest_ms, float(total[1]))

        first, self._calls = self._calls, self._calls + calls
        await asyncio.gather(*(one(number) for number in range(first, first + calls)))
        return seen

    async def trusted(self, *users: str) -> bool:
        """Tell whether Redis answers for these people and is believed."""
        for user in users:
            answer = await self._http.get("/v1/recommendations", params={"placement": "email-grid", "user_id": user, "explain": "1"})
            if not answer.json()["explain"]["redis_trusted"]:
                return False
        return True

    async def until_trusted(self, *users: str, seconds: float = 20.0) -> None:
        """Wait until Redis is believed for these people."""
        end = time.monotonic() + seconds
        while not await self.trusted(*users):
            assert time.monotonic() < end, "Redis is not believed"
            await asyncio.sleep(0.05)


async def holds(caller: Caller, calls: int = 120, *, personal: float = 0.95) -> None:
    """Make calls and assert that every one was answered in full, in time, and nearly all personally.

    A busy machine makes a call late now and then, and a late read of PostgreSQL rests it for a second: lateness may be mended by
    another try, a bad status or a short answer never.
    """
    missed = []
    for _ in range(4):
        seen = await caller.ask(calls)
        assert seen.statuses == {200: calls}
        assert seen.short == 0
        if seen.slowest_ms <= DEADLINE_MS and seen.personal >= personal:
            return
        missed.append((seen.slowest_ms, dict(seen.sources)))
        await asyncio.sleep(1.2)
    raise AssertionError(missed)


@pytest.fixture(scope="module")
def stocked(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a shop that was stocked once for all tests here."""
    folder = tmp_path_factory.mktemp("stocked")
    with databases.fresh() as url:
        settings = Settings(database_url=url, data_dir=folder / "data", model_dir=folder / "models", log_format="console")
        asyncio.run(_stocked(settings))
        yield settings


async def _stocked(settings: Settings) -> None:
    db = Database(settings.database_url)
    await stock(db, settings)
    await db.close()


@pytest.fixture
async def db(stocked: Settings) -> AsyncIterator[Database]:
    """A pool on the shop's database."""
    found = Database(stocked.database_url)
    yield found
    await found.close()


@asynccontextmanager
async def serving(settings: Settings, db: Database, redis_url: str) -> AsyncIterator[Caller]:
    """A served shop on this Redis, once Redis is believed."""
    key = await a_key(db, settings, rate="1000000/minute")
    with served(settings.model_copy(update={"redis_url": redis_url})) as address:
        async with httpx2.AsyncClient(base_url=address, headers={"X-Api-Key": key}, timeout=10) as http:
            caller = Caller(http)
            await caller.until_trusted("u1", "u2", "u3")
            await caller.ask(80)  # half of the people have a list
            yield caller


@pytest.fixture
def single(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path / "valkey")
    process.start()
    yield process
    process.kill()


async def test_no_fault_of_a_redis_makes_an_answer_bad_or_late(stocked: Settings, db: Database, single: Process) -> None:
    async with in_front_of(single.port) as proxy, serving(stocked, db, f"redis://127.0.0.1:{proxy.port}/0") as caller:
        await holds(caller)

        proxy.hang()
        await holds(caller)
        assert not await caller.trusted("u1")
        proxy.heal()
        await caller.until_trusted("u1")

        proxy.delay_s = 0.3
        await holds(caller)
        proxy.heal()
        await caller.until_trusted("u1")

        for piece in (1, 700, 5000, 20_000):
            proxy.cut_after = piece
            await holds(caller, 60)
            await caller.until_trusted("u1")
        assert proxy.cuts == 4

        tell(single, "CONFIG", "SET", "maxmemory", "1")
        await holds(caller)
        assert await caller.trusted("u1"), "what a full Redis holds is right as long as nothing newer is refused"
        errors = await caller._http.get("/metrics")
        assert re.search(r'morsel_dependency_errors_total\{dependency="redis",kind="oom"\} [1-9]', errors.text)
        tell(single, "CONFIG", "SET", "maxmemory", "0")

        single.kill()
        await holds(caller)
        single.start()
        await caller.until_trusted("u1", "u2")
        await holds(caller)


async def test_a_cluster_of_three_that_loses_one_answers_everybody(stocked: Settings, db: Database, tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "cluster")
    try:
        await asyncio.to_thread(cluster.start)
        async with serving(stocked, db, cluster.url) as caller:
            everybody = [f"u{number}" for number in range(30)]
            await caller.until_trusted(*everybody)
            await holds(caller)
            lost = cluster.masters[1]
            lost.freeze()
            await holds(caller)
            lost.kill()
            await holds(caller)
            believed = [await caller.trusted(user) for user in everybody]
            assert any(believed), "people on the other nodes are read from them"
            assert not all(believed), "people on the lost node are read from PostgreSQL"
            await asyncio.to_thread(lost.start)
            await caller.until_trusted(*everybody)
            await holds(caller)
    finally:
        cluster.kill()


async def test_a_master_that_dies_under_a_sentinel_is_followed_by_its_replica(stocked: Settings, db: Database, tmp_path: Path) -> None:
    watched = Watched(tmp_path / "watched")
    try:
        await asyncio.to_thread(watched.start)
        # within this process, which starts faster: the server's own process is proved above
        async with running(stocked.model_copy(update={"redis_url": watched.url}), db, rate="1000000/minute") as shop:
            shop.http.headers["X-Api-Key"] = shop.key
            caller = Caller(shop.http)
            await caller.until_trusted("u1", "u2", "u3")
            await holds(caller, 100)
            watched.master.kill()
            await holds(caller)
            await asyncio.to_thread(within, lambda: watched.is_master(watched.replica))
            await caller.until_trusted("u1", "u2")
            await holds(caller)
            assert int(tell(watched.replica, "DBSIZE")) > 160
    finally:
        watched.kill()
