"""The probe: it goes the whole way, raises the alarm when it is late, ends it by itself, and leaves nothing behind."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from app.core import ids, redis, tasks
from app.core.db import Database
from app.core.locks import alone
from app.core.settings import Settings
from app.data.events.formats.segment_api import Arrival, Refused, read
from app.data.identity.vault import DataKeys
from app.data.online.publisher import Publisher
from app.data.people import states
from app.data.profiles import store
from app.ml.popularity.service import refresh_popular
from app.sends import store as sends_store
from app.serving.path.lookup import Lookup
from app.serving.redis.reader import RedisReader
from app.serving.watch.probe import Probe
from tests.serving.redis.conftest import until_up


@pytest.fixture
async def lookup(settings: Settings) -> AsyncIterator[Lookup]:
    reader = RedisReader(settings.redis_url, 50)
    reader.reconnect()
    await until_up(reader)
    yield Lookup(reader)
    await reader.close()


@pytest.fixture
def probe(db: Database, lookup: Lookup, settings: Settings) -> Probe:
    return Probe(db, lookup, DataKeys(settings), every_s=2, limit_s=0.3)


@asynccontextmanager
async def working(db: Database, settings: Settings) -> AsyncIterator[redis.Nodes]:
    """Apply events beside the block, as a worker does, and keep Redis whole."""
    nodes = redis.Nodes(settings.redis_url, timeout_ms=500)
    publisher = Publisher(nodes, settings.state_ttl_days)
    applier = states.Applier(db, settings, publisher, 1)

    async def work() -> None:
        while True:
            with contextlib.suppress(states.NotPublished, *redis.FAULTS):
                await applier.apply()
                await states.keep_whole(db, settings, publisher, 1)
            await asyncio.sleep(0.02)

    await applier.apply()
    await states.keep_whole(db, settings, publisher, 1)
    task = asyncio.create_task(work())
    try:
        yield nodes
    finally:
        await tasks.stop(task, again_s=1)
        await nodes.aclose()


def figure(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0.0


async def until_in_time(probe: Probe) -> None:
    """Probe until an event is shown in time, as often as a busy machine may need."""
    for _ in range(10):
        await asyncio.sleep(1.1)
        if await probe.probe(1) is not None and not probe.late:
            return


async def test_an_event_on_its_way_is_timed_and_leaves_nothing_behind(db: Database, settings: Settings, lookup: Lookup) -> None:
    # a busy machine may take its time here
    probe = Probe(db, lookup, DataKeys(settings), every_s=6, limit_s=5)
    probes, groups = figure("morsel_probe_seconds_count"), figure("morsel_event_freshness_seconds_count")
    async with working(db, settings):
        for _ in range(3):
            seconds = await probe.probe(1)
            assert seconds is not None
            assert 0 < seconds < 5
            await asyncio.sleep(1.1)
    assert (figure("morsel_probe_failing"), probe.late) == (0, {})
    assert figure("morsel_probe_seconds_count") == probes + 3
    # the first group of all is not measured: it might be a whole log that is read anew
    assert figure("morsel_event_freshness_seconds_count") == groups + 2
    assert [tuple(row) for row in await db.rows("select person_no, kind, item_no from event")] == [(ids.PROBE, 0, None)]
    assert await db.rows("select count(*) from person") == [(1,)]
    # nobody: in no count, no audience, no list, and no sign that events come in
    assert await store.count_people(db, 1) == 0
    assert await sends_store.count_everyone(db, 1) == 0
    assert await sends_store.newest_event(db, 1, 1000) is None
    await refresh_popular(db, 1, default_consent=True)
    assert await db.rows("select count(*) from popular_list where segment like 'country:%' or groups <> '{}'") == [(0,)]


async def test_without_a_worker_the_alarm_rises_and_ends_once_one_is_back(db: Database, settings: Settings, probe: Probe) -> None:
    assert await probe.probe(1) is None
    assert (figure("morsel_probe_failing"), probe.late) == (1, {1: "not visible"})
    waiting = asyncio.create_task(probe.probe(1))
    await asyncio.sleep(0.5)
    async with working(db, settings):
        assert (await waiting or 0) > 0.3  # it was shown, but late
        assert figure("morsel_probe_failing") == 1
        await until_in_time(probe)
    assert (figure("morsel_probe_failing"), probe.late) == (0, {})


async def test_a_redis_that_hangs_raises_the_alarm_until_it_answers(db: Database, settings: Settings, probe: Probe, lookup: Lookup) -> None:
    async with working(db, settings) as nodes:
        assert await probe.probe(1) is not None
        await asyncio.sleep(1.1)
        (node,) = nodes.known()
        await node.client.execute_command("CLIENT", "PAUSE", 1000, "ALL")
        late = asyncio.create_task(probe.probe(1))
        await asyncio.sleep(0.6)
        assert (figure("morsel_probe_failing"), probe.late) == (1, {1: "not visible"})
        await late
        await until_in_time(probe)
    assert (figure("morsel_probe_failing"), probe.late) == (0, {})


async def test_a_database_that_is_away_raises_the_alarm(lookup: Lookup, settings: Settings) -> None:
    gone = Database("postgresql://morsel@/none?host=/nonexistent", connect_timeout=1)
    probe = Probe(gone, lookup, DataKeys(settings), every_s=2, limit_s=0.3)
    assert await probe.probe(1) is None
    assert probe.late == {1: "intake"}
    await gone.close()


async def test_one_process_of_a_machine_probes_and_none_when_told_so(
    db: Database, lookup: Lookup, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []

    async def note(tenant: int) -> float:
        sent.append(tenant)
        return 0.0

    def made(every_s: float) -> Probe:
        found = Probe(db, lookup, DataKeys(settings), every_s=every_s, limit_s=1)
        monkeypatch.setattr(found, "probe", note)
        return found

    lock = tmp_path / "probe.lock"
    await asyncio.wait_for(made(0).run(lambda: [1], lock), 1)
    with alone(lock) as mine:
        assert mine
        other = asyncio.create_task(made(0.05).run(lambda: [1, 2], lock))
        await asyncio.sleep(0.2)
        assert sent == []
    await asyncio.sleep(0.3)
    assert sent[:4] == [1, 2, 1, 2]
    await tasks.stop(other)


@pytest.mark.parametrize("field", ["userId", "anonymousId", "previousId"])
def test_nobody_can_name_the_probe(field: str) -> None:
    with pytest.raises(Refused, match="is empty"):
        read({"type": "alias", "userId": "ann", "timestamp": "2026-05-01", field: " "}, Arrival(datetime(2026, 5, 1, tzinfo=UTC)))
