"""Prewarming is interrupted: killed, called off, robbed of Redis, slowed by another send. Nobody is lost and nobody counts twice."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core import redis
from app.core.db import Database
from app.core.embedded.valkey import Valkey
from app.core.settings import Settings
from app.sends import batch, domain
from tests.sends.calls import PEOPLE, announce, call, shown, sources, warm
from tests.serving.shop import Shop, running, stock


@pytest.fixture
async def slow_shop(settings: Settings, db: Database) -> AsyncIterator[Shop]:
    """A shop that prewarms 80 people a second, so that a send takes two seconds."""
    async with slow(settings, db) as shop:
        yield shop


@asynccontextmanager
async def slow(settings: Settings, db: Database, *, work: bool = True) -> AsyncIterator[Shop]:
    await stock(db, settings)
    async with running(settings.model_copy(update={"prewarm_per_s": 80}), db, rate="1000000/minute", work=work) as shop:
        yield shop


async def begun(shop: Shop, send: dict[str, Any], done: int = 1) -> dict[str, Any]:
    """Wait until some people were dealt with; return the progress then."""

    async def some() -> dict[str, Any] | None:
        found: dict[str, Any] = (await shown(shop, send))["progress"]
        return found if found["done"] >= done else None

    found = await shop.until(some, 20)
    assert found
    assert found["done"] < found["audience"], "it was over before it could be interrupted"
    return dict(found)


@asynccontextmanager
async def worker_process(shop: Shop, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a worker as a process of its own."""
    own = {
        "MORSEL_DATABASE_URL": shop.settings.database_url, "MORSEL_REDIS_URL": shop.settings.redis_url,
        "MORSEL_DATA_DIR": str(folder / "worker"), "MORSEL_MODEL_DIR": str(shop.settings.model_dir), "MORSEL_PREWARM_PER_S": "80",
    }  # fmt: skip
    command = [sys.executable, "-m", "app.cli", "worker"]
    process = await asyncio.create_subprocess_exec(*command, env=os.environ | own, stderr=asyncio.subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_killed_worker_s_successor_goes_on_where_it_was(settings: Settings, db: Database, tmp_path: Path) -> None:
    async with slow(settings, db, work=False) as shop:
        send = await announce(shop)
        async with worker_process(shop, tmp_path) as first:
            before = await begun(shop, send)
            first.send_signal(signal.SIGKILL)
            await first.wait()
        position = (await db.rows("select position from send"))[0][0]
        assert position > 0
        async with worker_process(shop, tmp_path):
            found = (await warm(shop, send, 40))["progress"]
        assert before["done"] <= found["done"] == 160
        assert found["rounds"] == 1, "it went on, and did not begin again"
        # what the killed slice had written is found current
        assert found["warmed"] + found["already_warm"] == 160
        assert found["warmed"] >= before["warmed"]
        assert await sources(shop, PEOPLE) == {"cached": 160}


async def test_a_send_called_off_in_the_middle_stops_there(slow_shop: Shop) -> None:
    send = await announce(slow_shop)
    await begun(slow_shop, send)
    assert (await call(slow_shop, "DELETE", f"/{send['id']}")).status_code == 200
    await asyncio.sleep(1.2)  # the slice under way ends
    done = (await shown(slow_shop, send))["progress"]["done"]
    await asyncio.sleep(1.5)
    after = await shown(slow_shop, send)
    assert (after["status"], after["progress"]["done"]) == ("cancelled", done)
    assert done < 160


async def test_a_redis_emptied_in_the_middle_begins_again(slow_shop: Shop) -> None:
    send = await announce(slow_shop)
    await begun(slow_shop, send)
    client = redis.connect(slow_shop.settings.redis_url, timeout_ms=2000)
    await client.flushall()
    await client.aclose()
    found = await warm(slow_shop, send, rounds=2)
    assert found["note"] == "began again: Redis lost the lists"
    assert await _from_lists(slow_shop)


async def test_a_redis_emptied_after_all_was_warm_is_filled_again(slow_shop: Shop) -> None:
    send = await warm(slow_shop, await announce(slow_shop))
    client = redis.connect(slow_shop.settings.redis_url, timeout_ms=2000)
    await client.flushall()
    await client.aclose()
    await warm(slow_shop, send, rounds=2)
    assert await _from_lists(slow_shop)


async def _from_lists(shop: Shop) -> bool:
    """Tell whether everybody is answered from a list once Redis may be believed again."""

    async def believed() -> bool:
        answer = (await shop.get(placement="email-grid", user_id="u1", explain="1")).json()
        return bool(answer["explain"]["redis_trusted"])

    return bool(await shop.until(believed)) and await sources(shop, PEOPLE) == {"cached": 160}


async def test_while_redis_is_away_a_send_waits_and_says_so(settings: Settings, db: Database, tmp_path: Path) -> None:
    (tmp_path / "vk").mkdir()
    own = Valkey(tmp_path / "vk")
    own.start()
    try:
        async with slow(settings.model_copy(update={"redis_url": own.url}), db) as shop:
            send = await announce(shop)
            await begun(shop, send)
            own.stop()

            async def waits() -> bool:
                return bool((await shown(shop, send))["note"] == "waits: Redis is away")

            assert await shop.until(waits)
            assert "redis_away" in [one["code"] for one in (await shown(shop, send))["findings"]]
            own.start()
            found = await warm(shop, send, 40, rounds=2)
            assert found["progress"]["failed"] == 0
            assert await _from_lists(shop)
    finally:
        own.stop()


async def test_lists_that_a_full_redis_refuses_count_as_failed_and_are_made_later(slow_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain, "RETRY", timedelta(seconds=1))
    send = await announce(slow_shop)
    await begun(slow_shop, send)
    client = redis.connect(slow_shop.settings.redis_url, timeout_ms=2000)
    try:
        await client.config_set("maxmemory", 1024)
        found = (await warm(slow_shop, send))["progress"]
        assert found["failed"] > 0
        assert found["warmed"] > 0
    finally:
        await client.config_set("maxmemory", 0)
        await client.aclose()
    found = await warm(slow_shop, send, rounds=2)
    assert found["note"] == "began again: some lists could not be made"
    assert found["progress"]["failed"] == 0
    assert await _from_lists(slow_shop)


async def test_a_model_that_fails_is_counted_and_the_pass_goes_on(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ValueError("the graph does not fit")

    # what ONNX Runtime would say of a graph that breaks on some input
    monkeypatch.setattr(batch, "score", broken)
    found = (await warm(shop, await announce(shop)))["progress"]
    assert (found["failed"], found["already_warm"]) == (159, 1)


async def test_two_sends_at_once_share_the_rate(slow_shop: Shop) -> None:
    await slow_shop.settled()
    began = time.monotonic()
    first, second = await announce(slow_shop), await announce(slow_shop, placement="email-hero", duration_s=60)
    await begun(slow_shop, first)
    await begun(slow_shop, second)
    done = [(await warm(slow_shop, one, 30))["progress"] for one in (first, second)]
    # the two share a recommender and a filter that differ only in count, so whoever comes second finds lists
    assert sum(one["warmed"] for one in done) + sum(one["already_warm"] for one in done) == 320
    scored = sum(one["warmed"] for one in done)
    assert time.monotonic() - began >= 0.9 * (scored - 2 * 80) / 80


async def test_prewarming_keeps_to_its_rate(slow_shop: Shop) -> None:
    began = time.monotonic()
    send = await warm(slow_shop, await announce(slow_shop, placement="email-hero", start=None))
    assert time.monotonic() - began >= (160 - 80) / 80
    assert send["progress"]["rate_per_s"] <= 100


async def test_a_send_whose_model_cannot_be_had_waits_and_says_so(settings: Settings, db: Database) -> None:
    await stock(db, settings, models=False)
    async with running(settings, db) as shop:
        send = await announce(shop)

        async def waits() -> bool:
            return bool((await shown(shop, send))["note"] == "waits: personal has no live model")

        assert await shop.until(waits)
        assert "model_missing" in [one["code"] for one in send["findings"]]
