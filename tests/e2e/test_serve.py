"""The whole program as an operator runs it: several processes, one limit, restarts, swaps."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable

import httpx2
import psutil
import pytest

from app.access.domain import ClientKind
from app.core.db import Database
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings
from app.ml.registry import service as registry
from app.ml.training.service import Options, train
from app.plugins import RECOMMENDERS
from tests.e2e.serving import served
from tests.serving.shop import a_key, stock

PERSONAL = {"live", "cached", "stale", "segment"}


@pytest.fixture
async def stocked(settings: Settings, db: Database) -> Settings:
    await stock(db, settings)
    return settings


async def burst(address: str, key: str, count: int, together: int = 60) -> Counter[str]:
    """Send many requests of distinct people and count what came: a source, or a status that is not 200."""
    outcome: Counter[str] = Counter()
    turn = asyncio.Semaphore(together)

    async with httpx2.AsyncClient(base_url=address, headers={"X-Api-Key": key}, timeout=30) as http:

        async def one(number: int) -> None:
            async with turn:
                answer = await http.get("/v1/recommendations", params={"placement": "email-grid", "user_id": f"u{number % 160}"})
                outcome[answer.json()["source"] if answer.status_code == 200 else str(answer.status_code)] += 1

        await asyncio.gather(*(one(number) for number in range(count)))
    return outcome


async def test_four_workers_share_one_limit_in_a_burst(stocked: Settings, db: Database) -> None:
    # an hour is a window that a burst does not cross, save for some seconds of it
    esp = await a_key(db, stocked, kind=ClientKind.ESP, rate="60/hour")
    service = await a_key(db, stocked, kind=ClientKind.SERVICE, rate="60/hour")
    free = await a_key(db, stocked, rate="100000/minute")
    with served(stocked, workers=4) as address:
        await _whole(address, free)
        if (left := 3600 - time.time() % 3600) < 40:  # a burst that crosses it would rightly get two budgets
            await asyncio.sleep(left + 0.5)
        hour = int(time.time() // 3600)
        got = await burst(address, esp, 3000)
        refused = await burst(address, service, 300)
        assert int(time.time() // 3600) == hour, "the machine was too slow to fit the bursts into one hour"
    assert set(got) <= PERSONAL | {"popular"}
    personal = sum(got[source] for source in PERSONAL)
    assert 0 < personal <= 60
    assert got.total() == 3000
    assert 0 < sum(refused[source] for source in PERSONAL) <= 60
    assert refused["429"] >= 240


async def test_a_promotion_and_a_killed_worker_lose_no_request(stocked: Settings, db: Database) -> None:
    key = await a_key(db, stocked, rate="1000000/minute")
    with served(stocked, workers=2) as address:
        await _whole(address, key)
        before = (await registry.live(db, DEFAULT_TENANT))["personal"].version
        statuses: Counter[str] = Counter()
        ending = asyncio.Event()

        async def ask() -> None:
            async with httpx2.AsyncClient(base_url=address, headers={"X-Api-Key": key}, timeout=10) as http:
                number = 0
                while not ending.is_set():
                    number += 1
                    answer = await http.get("/v1/recommendations", params={"placement": "email-grid", "user_id": f"u{number % 160}"})
                    statuses[f"{answer.status_code} {answer.json().get('item_count')}"] += 1
                    statuses[answer.json()["model_version"]] += 1

        asking = [asyncio.create_task(ask()) for _ in range(4)]
        (trained,) = await train(db, stocked, DEFAULT_TENANT, ["personal"], RECOMMENDERS, Options(promote=True, seed=5))
        after = trained.manifest.version

        await asyncio.to_thread(_within, lambda: statuses[after] > 50, 20)
        ending.set()
        await asyncio.gather(*asking)
        assert statuses[before] > 0
        assert statuses[after] > 50
        assert [name for name in statuses if name.startswith(("2", "4", "5")) and " " in name] == ["200 6"]


async def test_rolling_restarts_lose_no_request_with_and_without_keep_alive(stocked: Settings, db: Database) -> None:
    key = await a_key(db, stocked, rate="1000000/minute")
    with served(stocked, workers=2) as address:
        await _whole(address, key)
        parent = next(p for p in psutil.Process(os.getpid()).children() if "serve" in _command(p))
        failures: list[str] = []
        ending = asyncio.Event()
        count = 0

        async def ask(target: str, *, kept: bool) -> None:
            nonlocal count
            while not ending.is_set():
                async with httpx2.AsyncClient(base_url=address, headers={"X-Api-Key": key}, timeout=15) as http:
                    try:
                        while not ending.is_set():
                            answer = await http.get(target)
                            count += 1
                            if answer.status_code != 200:
                                failures.append(str(answer.status_code))
                            if not kept:
                                break
                    except httpx2.TransportError as error:
                        failures.append(repr(error))

        short, long = "/v1/recommendations?placement=home-popular", "/v1/admin/placements"
        kinds = [(short, False), (long, False), *[(short, True)] * 6, *[(long, True)] * 6]
        asking = [asyncio.create_task(ask(target, kept=kept)) for target, kept in kinds]
        for _ in range(2):
            workers = _server_processes(parent)
            parent.send_signal(signal.SIGHUP)

            def replaced(before: set[int] = workers) -> bool:
                return not _server_processes(parent) & before

            assert await asyncio.to_thread(_within, replaced, 60)
            await asyncio.sleep(1)
        ending.set()
        await asyncio.gather(*asking)
    assert failures == []
    assert count > 500


def _server_processes(parent: psutil.Process) -> set[int]:
    return {child.pid for child in parent.children() if "spawn_main" in " ".join(_command(child))}


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it ended between the listing and the question
        return []


def _within(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return condition()


async def _whole(address: str, key: str) -> None:
    """Wait until the online state is whole."""
    async with httpx2.AsyncClient(base_url=address, headers={"X-Api-Key": key}, timeout=10) as http:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            answer = await http.get("/v1/recommendations", params={"placement": "email-grid", "user_id": "u1", "explain": "1"})
            if answer.json()["explain"]["redis_trusted"]:
                return
            await asyncio.sleep(0.1)
    raise AssertionError("the worker did not make the state whole")
