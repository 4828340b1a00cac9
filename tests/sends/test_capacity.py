"""A server process measures what a request costs it, and believes only stretches with enough of them."""

import asyncio

import pytest

from app.core.db import Database
from app.serving.watch import capacity
from app.serving.watch.capacity import LEAST_REQUESTS, Meter
from tests.serving.shop import Shop


def looked(*seconds: tuple[float, float]) -> Meter:
    """Return a meter that was shown seconds: CPU used and requests served in each."""
    meter, cpu, served = Meter(), 0.0, 0.0
    meter.look(0.0, 0.0, 0.0)
    for at, (used, count) in enumerate(seconds, 1):
        cpu, served = cpu + used, served + count
        meter.look(float(at), cpu, served)
    return meter


def test_cpu_time_is_shared_by_the_requests() -> None:
    meter = looked((0.25, 500))
    assert meter.cpu_us == pytest.approx(500)
    assert meter.requests == 500


def test_what_the_process_costs_while_idle_is_taken_off() -> None:
    meter = looked((0.02, 0), (0.02, 0), (0.27, 500))
    assert meter.cpu_us == pytest.approx(500)


def test_few_requests_a_second_are_not_believed() -> None:
    assert looked(*[(0.05, 20)] * 200).cpu_us is None


def test_a_pause_begins_a_new_stretch() -> None:
    assert looked(*[(0.2, LEAST_REQUESTS - 1), (0.01, 0)] * 20).cpu_us is None


def test_one_odd_stretch_does_not_decide() -> None:
    meter = looked((0.25, 500), (5.0, 500), (0.26, 500))
    assert meter.cpu_us == pytest.approx(520, rel=0.05)


def test_the_last_stretches_count() -> None:
    assert looked(*[(0.5, 500)] * 5, *[(0.2, 500)] * 9).cpu_us == pytest.approx(400)


def test_cpus_are_at_least_a_part_of_one() -> None:
    assert 0 < capacity.cpus() <= 1024


async def test_served_requests_are_measured_and_told_and_a_dead_database_does_not_matter(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "LEAST_REQUESTS", 60)
    resources = shop.app.state.resources
    gone = Database("postgresql://morsel@/none?host=/nonexistent", connect_timeout=0.2)
    tasks = [asyncio.create_task(capacity.measure(db, shop.settings, resources.holder, tick_s=0.2, tell_s=0.3)) for db in (shop.db, gone)]

    async def measured() -> object:
        for _ in range(20):
            await shop.get(placement="home-popular", limit="1")
        rows = await shop.db.rows("select cpu_us, requests, workers, cpus, snapshot_age_s from capacity where cpu_us is not null")
        return rows[0] if rows else None

    try:
        found = await shop.until(measured)
        assert found
        cpu_us, requests, workers, cpus, age = found
        assert 50 < cpu_us < 50_000
        assert requests >= 60
        assert workers == 1
        assert cpus > 0
        assert age < 10
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await gone.close()


async def test_a_server_tells_of_itself_at_its_start(shop: Shop) -> None:
    async def told() -> object:
        return await shop.db.rows("select cpu_us from capacity where tenant = 1")

    assert [row[0] for row in await shop.until(told)] == [None]
