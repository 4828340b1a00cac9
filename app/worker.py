"""The background process: applies events, delivers the outbox, keeps Redis whole, keeps house."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from sqlalchemy import text

from app.core import redis
from app.core.db import Database
from app.core.embedded import Urls
from app.core.logging import log
from app.core.settings import Settings
from app.data.events.refusals import store as refusals
from app.data.events.store import rotate_seen
from app.data.partitions import ensure_partitions
from app.data.people import erasing, jobs, store
from app.data.people.publish import Publisher
from app.data.reach import is_away
from app.data.retention import drop_old_events
from app.data.signals import jobs as signals
from app.serving.sends.jobs import Prewarmer

# Seconds between two turns of each loop that found nothing to do.
APPLY_S = 0.2
OUTBOX_S = 0.1
ERASE_S = 0.5
WHOLE_S = 1.0
HOUSE_S = 3600.0
SENDS_S = 1.0
SIGNALS_S = 1.0
POPULAR_S = 600.0
LEADER_S = 1.0
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 5.0
_BULK = 5_000
_LEADER_LOCK = 7_301_000_003
_GRACE_S = 15.0

Step = Callable[[], Awaitable[bool]]


class Worker:
    """The loops and what they share. A step returns True when there may be more to do at once."""

    def __init__(self, settings: Settings, urls: Urls) -> None:
        self.settings = settings
        self.db = Database(urls.database_url, settings.database_pool)
        self.publisher = Publisher(redis.Nodes(urls.redis_url, timeout_ms=2000), settings.state_ttl_days)
        self.stopping = asyncio.Event()
        self.leading = asyncio.Event()
        self.bulk = asyncio.Event()
        self._appliers: dict[int, jobs.Applier] = {}
        self._prewarmer = Prewarmer(self.db, settings, self.publisher.nodes)

    async def run(self) -> None:
        """Work until `stopping` is set; steps that run then are finished first."""
        loops = [
            asyncio.create_task(self._loop("lead", self.lead, LEADER_S, always=True)),
            asyncio.create_task(self._loop("apply", self.apply, APPLY_S)),
            asyncio.create_task(self._loop("outbox", self.deliver, OUTBOX_S)),
            asyncio.create_task(self._loop("erase", self.erase, ERASE_S)),
            asyncio.create_task(self._loop("whole", self.keep_whole, WHOLE_S)),
            asyncio.create_task(self._loop("house", self.keep_house, HOUSE_S)),
            asyncio.create_task(self._loop("sends", self._prewarmer.step, SENDS_S)),
            asyncio.create_task(self._loop("signals", self.signals, SIGNALS_S)),
            asyncio.create_task(self._loop("popular", self.popular, POPULAR_S, self.bulk)),
        ]
        await self.stopping.wait()
        _, late = await asyncio.wait(loops, timeout=_GRACE_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def close(self) -> None:
        """Close the connections."""
        await self._prewarmer.close()
        with contextlib.suppress(Exception):
            await self.publisher.nodes.aclose()
        await self.db.close()

    async def apply(self) -> bool:
        """Apply new events of all tenants."""
        return any(await _each(await store.tenants(self.db), self._apply))

    async def _apply(self, tenant: int) -> int:
        applier = self._appliers.setdefault(tenant, jobs.Applier(self.db, self.settings, self.publisher, tenant))
        try:
            count = await applier.apply()
        except Exception as error:
            if is_away(error):
                applier.forget()
            raise
        if count >= _BULK:
            self.bulk.set()
        return count

    async def deliver(self) -> bool:
        """Deliver the outbox of all tenants."""
        return any(await _each(await store.tenants(self.db), partial(jobs.deliver, self.db, self.settings, self.publisher)))

    async def erase(self) -> bool:
        """Take erased people of all tenants out of Redis."""
        return any(await _each(await store.tenants(self.db), partial(erasing.deliver, self.db, self.publisher)))

    async def keep_whole(self) -> bool:
        """See to it that Redis holds every state."""
        # on a database that was restored, states must be computed anew before Redis may be trusted
        ready = [tenant for tenant, applier in self._appliers.items() if applier.ready]
        await _each(ready, partial(jobs.keep_whole, self.db, self.settings, self.publisher))
        return False

    async def signals(self) -> bool:
        """Look for machines among new signals, and attribute orders."""
        read = await _each(await store.tenants(self.db), partial(signals.follow, self.db, self.settings))
        # what trickles in is read once a second: each reading costs the same
        return max(read, default=0) >= signals.AT_ONCE

    async def keep_house(self) -> bool:
        """Make partitions ahead, forget old message ids, and drop events and refused ones that were kept long enough."""
        await ensure_partitions(self.db)
        await rotate_seen(self.db)
        await erasing.forget_keys(self.db, self.settings)
        await drop_old_events(self.db, self.settings.event_retention_months)
        await refusals.drop_old(self.db, self.settings.refused_days)
        return False

    async def popular(self) -> bool:
        """Refresh the popular lists."""
        self.bulk.clear()
        from app.ml.popularity.service import refresh_popular

        for tenant in await store.tenants(self.db):
            await refresh_popular(self.db, tenant, default_consent=self.settings.default_consent)
        return False

    async def lead(self) -> bool:
        """Hold the lock that only one worker has, as long as its connection lives.

        States stay right without it; it spares double work, and two workers that both rewrite a Redis.
        """
        try:
            async with self.db.engine.connect() as fresh:
                connection = await fresh.execution_options(isolation_level="AUTOCOMMIT")
                lock = {"lock": _LEADER_LOCK}
                if not await connection.scalar(text("select pg_try_advisory_lock(:lock)"), lock):
                    return False
                log.info("worker.leading")
                self.leading.set()
                while not self.stopping.is_set():
                    await self._rest(LEADER_S, None)
                    await connection.execute(text("select 1"))
                await connection.execute(text("select pg_advisory_unlock(:lock)"), lock)
        finally:
            self.leading.clear()
        return False

    async def _loop(self, name: str, step: Step, pause_s: float, wake: asyncio.Event | None = None, *, always: bool = False) -> None:
        """Repeat a step while this worker leads; a failure is logged and tried again after a growing pause."""
        failures = 0
        while not self.stopping.is_set():
            if not always and not self.leading.is_set():
                await self._rest(LEADER_S, self.leading)
                continue
            try:
                more = await step()
                if failures:
                    log.info("worker.recovered", loop=name, failures=failures)
                failures, pause = 0, 0.0 if more else pause_s
            except Exception as error:
                failures += 1
                pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(failures - 1, 10))
                log.warning("worker.failed", loop=name, error=type(error).__name__, detail=str(error)[:200], again_in_s=pause)
            await self._rest(pause, wake)

    async def _rest(self, seconds: float, wake: asyncio.Event | None) -> None:
        if seconds <= 0:
            return
        waits = [asyncio.create_task(event.wait()) for event in (self.stopping, wake) if event is not None]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()


async def _each(tenants: Iterable[int], work: Callable[[int], Awaitable[int]]) -> list[int]:
    """Do the same for every tenant, also after one failed, and then raise the last failure."""
    done, failure = [], None
    for tenant in tenants:
        try:
            done.append(await work(tenant))
        except Exception as error:
            failure = error
    if failure is not None:
        raise failure
    return done


async def run(settings: Settings, urls: Urls, stop: asyncio.Event | None = None) -> None:
    """Run until SIGTERM, SIGINT or `stop`. Of several workers on one database one works, the others stand by."""
    worker = Worker(settings, urls)
    if stop is not None:
        worker.stopping = stop
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # only the main thread of a process may take signals; elsewhere `stop` ends the worker
        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
            loop.add_signal_handler(number, worker.stopping.set)
    try:
        await worker.run()
    finally:
        await worker.close()
