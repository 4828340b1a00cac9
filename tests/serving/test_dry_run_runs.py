"""Dry runs in the worker: progress, one at a time, called off, taken up again, forgotten."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.core.db import Database
from app.core.embedded import Urls
from app.core.jobs import Shared
from app.core.settings import Settings
from app.serving.dry_run.runs import jobs, store
from tests.documents.test_kit import send
from tests.serving.shop import Shop, running
from tests.serving.test_replay import REQUESTS, Day

HATS = {"action": "include", "where": 'item.category = "Hats"', "placements": ["email-grid"]}


async def begun(shop: Shop, asked: str = "", status: int = 202) -> dict[str, Any]:
    answer = await send(shop, "POST", f"rules/hats/dry-run?in=worker{asked}", HATS)
    assert answer.status_code == status, answer.text
    if status == 202:
        assert answer.headers["location"] == f"/v1/admin/dry-runs/{answer.json()['run_no']}"
    return dict(answer.json())


async def look(shop: Shop, number: int) -> dict[str, Any]:
    return dict((await send(shop, "GET", f"dry-runs/{number}")).json())


@pytest.fixture
async def alone(stocked_settings: Settings, db: Database) -> AsyncIterator[Shop]:
    """A shop whose worker the test is."""
    async with running(stocked_settings, db, work=False) as made:
        yield made


@asynccontextmanager
async def runner(shop: Shop) -> AsyncIterator[jobs.Runner]:
    made = jobs.Runner(Shared(shop.settings, Urls(shop.settings.database_url, shop.settings.redis_url), shop.db))
    try:
        yield made
    finally:
        await made.close()


async def test_the_worker_tells_the_same_as_a_server(unhurried: Shop) -> None:
    shop = unhurried
    day = Day(shop)
    await day.answers(REQUESTS)
    here = await day.replay("rules/hats", HATS)
    span = f"&replay=1&from={here['replayed']['begins'].replace('+', '%2B')}&to={here['replayed']['ends'].replace('+', '%2B')}"
    run = await begun(shop, span)
    assert (run["status"], run["kind"], run["name"], run["report"]) == ("waiting", "rule", "hats", None)

    async def ended() -> dict[str, Any] | None:
        found = await look(shop, run["run_no"])
        return found if found["status"] == "done" else None

    found = await shop.until(ended, 30)
    assert (found["done"], found["all"], found["fault"]) == (24, 24, "")
    assert {**found["report"], "seconds": 0} == {**here, "seconds": 0}


async def test_one_at_a_time_a_tenant_and_one_that_waits_can_be_called_off(alone: Shop) -> None:
    run = await begun(alone)
    other = await begun(alone, status=409)
    assert other["detail"].startswith(f"Dry run {run['run_no']} waits or is under way")
    stopped = await send(alone, "DELETE", f"dry-runs/{run['run_no']}")
    assert (stopped.status_code, stopped.json()["status"]) == (200, "cancelled")
    again = await send(alone, "DELETE", f"dry-runs/{run['run_no']}")
    assert (again.status_code, again.json()["detail"]) == (409, "The dry run has ended already: it is cancelled.")
    assert (await send(alone, "GET", "dry-runs/999")).status_code == 404
    assert (await begun(alone))["run_no"] != run["run_no"]
    async with runner(alone) as worker:
        assert await worker.step()
        assert not await worker.step()


async def test_one_that_waits_long_says_why(alone: Shop) -> None:
    run = await begun(alone)
    await alone.db.run("update dry_run set created_at = created_at - interval '5 minutes'")
    assert (await look(alone, run["run_no"]))["note"].startswith("No worker has taken it yet")


async def under_way(shop: Shop, worker: jobs.Runner) -> tuple[int, asyncio.Task[bool]]:
    """Begin a dry run that takes its time, and wait until it is told how far it is."""
    run = await begun(shop, "&people=200")
    task = asyncio.create_task(worker.step())

    async def moving() -> bool:
        found = await look(shop, run["run_no"])
        return found["status"] == "running" and 0 < found["done"] < found["all"]

    assert await shop.until(moving, 30)
    return run["run_no"], task


async def test_one_that_is_called_off_under_way_ends(alone: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "BUSY", 0.001)
    async with runner(alone) as worker:
        number, task = await under_way(alone, worker)
        await send(alone, "DELETE", f"dry-runs/{number}")
        assert await asyncio.wait_for(task, 5)
        found = await look(alone, number)
        assert (found["status"], found["report"]) == ("cancelled", None)
        assert found["done"] < found["all"]


async def test_one_whose_worker_was_killed_is_taken_up_again_and_at_last_told_as_failed(
    alone: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as slow:
        slow.setattr(jobs, "BUSY", 0.001)
        async with runner(alone) as killed:
            number, task = await under_way(alone, killed)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert (await look(alone, number))["status"] == "running"
    async with runner(alone) as worker:
        assert await worker.step()
        assert (await look(alone, number))["status"] == "done"
        other = (await begun(alone))["run_no"]
        await alone.db.run("update dry_run set status = 'running', tries = 3 where run_no = :no", no=other)
        assert await worker.step()
    found = await look(alone, other)
    assert (found["status"], found["fault"]) == ("failed", "It was broken off three times: the log of the worker says why.")


async def test_they_are_kept_for_a_week(alone: Shop) -> None:
    run = await begun(alone)
    await store.forget_old(alone.db)
    assert (await look(alone, run["run_no"]))["status"] == "waiting"
    await alone.db.run("update dry_run set created_at = now() - interval '8 days'")
    await store.forget_old(alone.db)
    assert (await send(alone, "GET", f"dry-runs/{run['run_no']}")).status_code == 404
