"""The databases of tests: each as fresh as the first, in memory only where there is room; what a killed run left there is cleared."""

import asyncio
import fcntl
import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import pytest

from app.core.db import Database, async_url
from tests import databases as made
from tests.databases import Databases

_FILLED = (
    "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace and pg_relation_size(oid) > 0 order by 1"
)
_NUMBERS = "select sequencename, last_value from pg_sequences order by 1"


async def _never_read(url: str) -> tuple[asyncpg.Connection, "asyncio.Task[object]"]:
    """Return a connection to whose answer, larger than what a socket holds, nobody listens, and the call that waits for it."""
    parsed = async_url(url)
    found = await asyncpg.connect(host=parsed.query["host"], user=parsed.username, database=parsed.database)
    found._transport.pause_reading()
    asked = asyncio.create_task(found.execute("select repeat('x', 50000000)"))
    await asyncio.sleep(0.5)
    return found, asked


async def _state(url: str, *first: str) -> list[object]:
    """Return which tables hold something and where sequences stand, after some statements."""
    db = Database(url, 1)
    try:
        for statement in first:
            await db.run(statement)
        return [[tuple(row) for row in await db.rows(query)] for query in (_FILLED, _NUMBERS)]
    finally:
        await db.close()


def test_what_a_test_wrote_is_not_in_the_database_of_the_next(databases: Databases) -> None:
    with databases.fresh() as url:
        first = asyncio.run(_state(url))
        written = asyncio.run(_state(url, "select nextval('change_version')", "create table left_behind as select 1 as one"))
    assert written != first
    with databases.fresh() as url:
        assert asyncio.run(_state(url)) == first


def test_a_database_that_somebody_still_uses_goes_all_the_same(databases: Databases) -> None:
    async def left_open(url: str) -> Database:
        db = Database(url, 1)
        await db.run("select 1")
        return db

    async def names(url: str) -> list[str]:
        db = Database(url, 1)
        try:
            return [row[0] for row in await db.rows("select datname from pg_database")]
        finally:
            await db.close()

    with databases.fresh() as url:
        used = asyncio.run(left_open(url))
    assert used is not None
    with databases.fresh() as other:
        assert url.split("?")[0].rsplit("/", 1)[1] not in asyncio.run(names(other))


@pytest.mark.parametrize(("free", "processes", "fits"), [(64 << 20, "1", False), (5 << 30, "2", True), (5 << 30, "4", False)])
def test_servers_are_in_memory_only_where_there_is_room_for_all_processes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, processes: str, fits: bool
) -> None:
    monkeypatch.setattr(made, "_MEMORY", tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", processes)
    assert made._has_room() is fits


def test_what_a_killed_run_left_is_cleared_and_what_runs_or_begins_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(made, "_MEMORY", tmp_path)
    for name in ("morsel-tests-dead", "morsel-tests-runs", "morsel-tests-begins", "morsel-tests-empty", "another"):
        (tmp_path / name).mkdir()
    hour_ago = time.time() - 3600
    for name, when in (("morsel-tests-dead", hour_ago), ("morsel-tests-runs", hour_ago), ("morsel-tests-begins", time.time())):
        (tmp_path / name / "owner.lock").touch()
        os.utime(tmp_path / name / "owner.lock", (when, when))
    with (tmp_path / "morsel-tests-runs" / "owner.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        made._sweep()
    assert {one.name for one in tmp_path.iterdir()} == {"morsel-tests-runs", "morsel-tests-begins", "morsel-tests-empty", "another"}


def test_an_answer_that_nobody_reads_keeps_no_database_from_being_made(databases: Databases) -> None:
    loop = asyncio.new_event_loop()
    with databases.fresh() as url:
        silent, asked = loop.run_until_complete(_never_read(url))
        begun = time.monotonic()
        with databases.fresh() as other:
            assert other != url
        assert time.monotonic() - begun < 60
        assert not asked.done()
        silent.terminate()
        loop.run_until_complete(asyncio.wait((asked,)))
        assert asked.exception() is not None
    loop.close()
