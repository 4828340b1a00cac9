"""The worker as a whole: events become states in Redis, and outages of either server heal by themselves."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis.exceptions import RedisError
from sqlalchemy import text

from app import worker
from app.core import locks, redis
from app.core.db import Database
from app.core.embedded import Urls
from app.core.embedded.valkey import Valkey
from app.core.ids import person_key, state_key
from app.core.partitions import ensure_partitions
from app.core.settings import Settings
from app.data.events import store as events_store
from app.data.events.accept import accept
from app.data.events.domain import Event, message_key
from app.data.identity.vault import DataKeys
from app.data.kinds import Kind
from app.data.privacy import consent
from app.data.profiles.state_codec import State, unpack_state


async def until(check: Callable[[], Awaitable[object]], seconds: float = 20) -> None:
    """Wait until a check holds."""
    end = time.monotonic() + seconds
    while True:
        try:
            if await check():
                return
        except RedisError:
            pass  # away for now
        if time.monotonic() > end:
            raise AssertionError("never came true")
        await asyncio.sleep(0.05)


@asynccontextmanager
async def working(settings: Settings, urls: Urls) -> AsyncIterator[None]:
    """Run a worker beside the test."""
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(settings, urls, stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)


@pytest.fixture
def urls(settings: Settings) -> Urls:
    return Urls(settings.database_url, settings.redis_url)


async def tell(db: Database, settings: Settings, user: str, number: int = 1) -> None:
    event = Event(datetime(2024, 1, 1, tzinfo=UTC), message_key(f"{user}{number}"), ((1, user),), Kind.VIEW, item_id="a")
    async with db.begin() as connection:
        await accept(connection, 1, [event], keys=DataKeys(settings), claim=lambda ids: events_store.claim_messages(connection, 1, ids))


async def state(url: str, user: str) -> State | None:
    client = redis.connect(url, timeout_ms=1000)
    try:
        value = await client.get(state_key(1, person_key(1, 1, user)))
        return None if value is None else unpack_state(value)
    finally:
        await client.aclose()


async def marker(url: str) -> bool:
    """Tell whether the state is whole for the Redis that answers now."""
    client = redis.connect(url, timeout_ms=1000)
    try:
        value = await client.get("m:{1}:whole")
        return value is not None and value.decode() == await redis.run_id(client)
    finally:
        await client.aclose()


async def test_events_reach_redis_and_consent_within_a_moment(db: Database, settings: Settings, urls: Urls) -> None:
    async with working(settings, urls):
        await tell(db, settings, "ann")
        await until(lambda: state(urls.redis_url, "ann"))
        await until(lambda: marker(urls.redis_url))
        number = await consent.set_consent(db, settings, 1, "ann", False)
        assert await consent.wait_applied(db, 1, number)
        found = await state(urls.redis_url, "ann")
        assert found is not None
        assert found.consent is False


async def test_a_redis_that_restarts_empty_is_filled_and_trusted_again(
    db: Database, settings: Settings, urls: Urls, tmp_path: Path
) -> None:
    own = Valkey(tmp_path / "v")
    own.start()
    try:
        async with working(settings, Urls(urls.database_url, own.url)):
            await tell(db, settings, "ann")
            await until(lambda: state(own.url, "ann"))
            await until(lambda: marker(own.url))
            own.stop()
            await tell(db, settings, "bob")
            number = await consent.set_consent(db, settings, 1, "ann", False)
            await until(lambda: states_in_database(db, 2))
            assert not await consent.wait_applied(db, 1, number, 0.3)
            own.start()
            await until(lambda: marker(own.url))
            assert await consent.wait_applied(db, 1, number)
            await until(lambda: state(own.url, "bob"))
            found = await state(own.url, "ann")
            assert found is not None
            assert found.consent is False
    finally:
        own.stop()


async def states_in_database(db: Database, count: int) -> bool:
    return (await db.rows("select count(*) from person_state"))[0][0] == count


async def test_a_cut_database_connection_is_made_again(db: Database, settings: Settings, urls: Urls) -> None:
    async with working(settings, urls):
        await tell(db, settings, "ann")
        await until(lambda: state(urls.redis_url, "ann"))
        for _ in range(3):
            async with db.begin() as connection:
                await connection.execute(
                    text(
                        "select pg_terminate_backend(pid) from pg_stat_activity "
                        "where datname = current_database() and pid <> pg_backend_pid()"
                    )
                )
            await asyncio.sleep(0.2)
        await tell(db, settings, "bob")
        await until(lambda: state(urls.redis_url, "bob"))


async def test_of_two_workers_one_works_and_the_other_takes_over(db: Database, settings: Settings, urls: Urls) -> None:
    first_stop, second_stop = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(worker.run(settings, urls, first_stop))
    await until(lambda: leaders(db))
    second = asyncio.create_task(worker.run(settings, urls, second_stop))
    await asyncio.sleep(0.3)
    assert await leaders(db) == 1
    first_stop.set()
    await asyncio.wait_for(first, 20)
    await tell(db, settings, "ann")
    await until(lambda: state(urls.redis_url, "ann"))
    second_stop.set()
    await asyncio.wait_for(second, 20)


async def leaders(db: Database) -> int:
    rows = await db.rows(
        "select count(*) from pg_locks where locktype = 'advisory' and granted and database = (select oid from pg_database "
        "where datname = current_database()) and (classid::bigint << 32) + objid::bigint = :lock",
        lock=locks.LEADER,
    )
    return int(rows[0][0])


async def test_a_worker_without_any_server_stops_when_told(settings: Settings) -> None:
    away = Urls("postgresql://nobody@127.0.0.1:1/none", "redis://127.0.0.1:1/0")
    began = time.monotonic()
    async with working(settings, away):
        await asyncio.sleep(0.3)
    assert time.monotonic() - began < 10


async def test_the_worker_ends_on_sigterm_as_a_process(settings: Settings, urls: Urls, db: Database, tmp_path: Path) -> None:
    import os
    import signal
    import sys

    program = "import asyncio, sys; from app import worker; from app.core.embedded import Urls; from app.core.settings import Settings; " \
        "asyncio.run(worker.run(Settings(), Urls(*sys.argv[1:])))"  # fmt: skip
    environment = os.environ | {"MORSEL_DATA_DIR": str(settings.data_dir)}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, urls.database_url, urls.redis_url, env=environment)
    try:
        await tell(db, settings, "ann")
        await until(lambda: state(urls.redis_url, "ann"))
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        if process.returncode is None:
            process.kill()


async def test_partitions_are_made_ahead_and_rows_go_to_their_month(db: Database, settings: Settings) -> None:
    moment = datetime.now(UTC)
    made = await ensure_partitions(db, moment)
    assert len(made) == 8
    assert f"event_{moment:%Y%m}" in made
    assert await ensure_partitions(db, moment) == []
    await tell(db, settings, "ann")
    assert (await db.rows("select tableoid::regclass::text from event"))[0][0] == f"event_{moment:%Y%m}"


async def test_a_month_that_lies_in_the_default_partition_is_left_there(db: Database, settings: Settings) -> None:
    await tell(db, settings, "ann")
    made = await ensure_partitions(db)
    assert len(made) == 7
    assert (await db.rows("select count(*) from event"))[0][0] == 1


def test_partitions_cross_the_year() -> None:
    from app.core.partitions import _due

    names = [name for name, table, _, _ in _due(datetime(2026, 11, 30, tzinfo=UTC)) if table == "event"]
    assert names == ["event_202611", "event_202612", "event_202701", "event_202702"]
    assert _due(datetime(2026, 12, 1, tzinfo=UTC))[0][2:] == ("2026-12-01", "2027-01-01")
