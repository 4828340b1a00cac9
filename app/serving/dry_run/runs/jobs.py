"""What the worker does about dry runs: makes those that wait, one after the other, and forgets them after a week."""

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING

from app.access.domain import EVERYTHING, ClientKind, Principal
from app.core.errors import Problem
from app.core.jobs import Job, Shared, house
from app.core.logging import log
from app.serving.dry_run.asking import Going
from app.serving.dry_run.runs import store
from app.serving.dry_run.runs.store import Run

if TYPE_CHECKING:
    from app.serving.dry_run.opening import Parts
    from app.serving.dry_run.trying import DryRuns

_EVERY_S = 1.0
_TELL_S = 0.5
_MOST_TRIES = 3
LONGEST_S = 600.0
BUSY = 0.5
"""The part of the time in which a dry run may be busy: states of people are made by the same process."""


class Runner:
    """Makes dry runs; holds catalogue and models only while there is one."""

    def __init__(self, shared: Shared) -> None:
        self._db, self._shared = shared.db, shared
        self._opened: tuple[AsyncExitStack, Parts, DryRuns] | None = None

    async def step(self) -> bool:
        """Make the next dry run; False when none waits. One that was broken off begins again, three times at most."""
        run = await store.next_run(self._db)
        if run is None:
            await self.close()
            return False
        going = Going(seconds=LONGEST_S, busy=BUSY)
        report, fault = None, ""
        telling = asyncio.create_task(self._tell(run, going))
        try:
            if run.tries > _MOST_TRIES:
                fault = "It was broken off three times: the log of the worker says why."
            else:
                report = await self._made(run, going)
        except Problem as problem:
            fault = problem.detail
        finally:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling
        ended = await store.finish(self._db, run, going.done, going.all, report, fault)
        log.info("dry_run.ended", tenant=run.tenant, run=run.run_no, done=going.done, all=going.all, fault=fault, called_off=not ended)
        return True

    async def close(self) -> None:
        """Let go of catalogue, models and threads."""
        if self._opened is not None:
            stack, _, _ = self._opened
            self._opened = None
            await stack.aclose()

    async def _made(self, run: Run, going: Going) -> str:
        # imported on use: a worker without a dry run needs neither models nor catalogue
        from app.serving.dry_run.opening import opened
        from app.serving.dry_run.trying import dry_runs

        if self._opened is None:
            urls = self._shared.urls
            servers = {"database_url": urls.database_url, "redis_url": urls.redis_url}
            settings, stack = self._shared.settings.model_copy(update=servers), AsyncExitStack()
            parts = await stack.enter_async_context(opened(settings, self._db))
            self._opened = stack, parts, dry_runs(settings, *parts)
        else:
            await self._opened[1].holder.refresh()
        caller = Principal(run.tenant, 0, run.who, ClientKind.SERVICE, EVERYTHING, "", "popular")
        return (await self._opened[2].run(self._db, caller, run.draft, run.ask, going)).model_dump_json()

    async def _tell(self, run: Run, going: Going) -> None:
        """Write down how far it is, again and again, and see whether it was called off."""
        while True:
            await asyncio.sleep(_TELL_S)
            try:
                going.stopped = not await store.progress(self._db, run, going.done, going.all)
            except Exception as error:  # the figures come with the next turn, or with the end
                log.info("dry_run.untold", run=run.run_no, error=type(error).__name__)


def jobs(shared: Shared) -> list[Job]:
    """Return what the worker does about dry runs."""
    runner = Runner(shared)
    shared.closing.append(runner.close)
    return [Job("dry runs", runner.step, _EVERY_S), house("old dry runs", lambda: store.forget_old(shared.db))]
