"""The background process: leads, and repeats what the rooms give it to do."""

import asyncio
import contextlib
import signal
import threading

from sqlalchemy import text

from app.core import locks, tasks
from app.core.db import Database
from app.core.embedded import Urls
from app.core.jobs import Job, Shared
from app.core.logging import log
from app.core.settings import Settings
from app.data.engagement import jobs as engagement
from app.data.events import jobs as events
from app.data.people import jobs as people
from app.data.privacy import jobs as privacy
from app.data.segments import jobs as segments
from app.data.uploads import jobs as uploads
from app.ml.popularity import jobs as popularity
from app.ml.registry import jobs as registry
from app.operations import jobs as operations
from app.sends import jobs as sends
from app.serving.dry_run.runs import jobs as dry_runs

ROOMS = (people, privacy, segments, events, engagement, uploads, popularity, registry, sends, dry_runs, operations)
LEADER_S = 1.0
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 5.0
_GRACE_S = 15.0


class Worker:
    """The loops, one a job, and the lock that only one worker has."""

    def __init__(self, settings: Settings, urls: Urls) -> None:
        self.db = Database(urls.database_url, settings.database_pool)
        self.shared = Shared(settings, urls, self.db)
        self.jobs = [job for room in ROOMS for job in room.jobs(self.shared)]
        self.stopping = asyncio.Event()
        self.leading = asyncio.Event()

    async def run(self) -> None:
        """Work until `stopping` is set; steps that run then are finished first."""
        loops = [asyncio.create_task(self._loop(Job("lead", self.lead, LEADER_S), always=True))]
        loops += [asyncio.create_task(self._loop(job)) for job in self.jobs]
        await self.stopping.wait()
        _, late = await asyncio.wait(loops, timeout=_GRACE_S)
        await tasks.stop(*late)

    async def close(self) -> None:
        """Close the connections."""
        for close in self.shared.closing:
            with contextlib.suppress(Exception):
                await close()
        await self.db.close()

    async def lead(self) -> bool:
        """Hold the lock that only one worker has, as long as its connection lives.

        States stay right without it; it spares double work, and two workers that both rewrite a Redis.
        """
        try:
            async with self.db.engine.connect() as fresh:
                connection = await fresh.execution_options(isolation_level="AUTOCOMMIT")
                lock = {"lock": locks.LEADER}
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

    async def _loop(self, job: Job, *, always: bool = False) -> None:
        """Repeat a step while this worker leads; a failure is logged and tried again after a growing pause."""
        failures = 0
        while not self.stopping.is_set():
            if not always and not self.leading.is_set():
                await self._rest(LEADER_S, self.leading)
                continue
            try:
                more = await job.step()
                if failures:
                    log.info("worker.recovered", loop=job.name, failures=failures)
                failures, pause = 0, 0.0 if more else job.every_s
            except Exception as error:
                failures += 1
                pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(failures - 1, 10))
                log.warning("worker.failed", loop=job.name, error=type(error).__name__, detail=str(error)[:200], again_in_s=pause)
            await self._rest(pause, job.wake)

    async def _rest(self, seconds: float, wake: asyncio.Event | None) -> None:
        if seconds <= 0:
            return
        waits = [asyncio.create_task(event.wait()) for event in (self.stopping, wake) if event is not None]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()


async def run(settings: Settings, urls: Urls, stop: asyncio.Event | None = None) -> None:
    """Run until SIGTERM, SIGINT or `stop`. Of several workers on one database one works, the others stand by."""
    worker = Worker(settings, urls)
    if stop is not None:
        worker.stopping = stop
    loop = asyncio.get_running_loop()
    # only the main thread of a process may take signals; elsewhere `stop` ends the worker
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, worker.stopping.set)
    try:
        await worker.run()
    finally:
        await worker.close()
