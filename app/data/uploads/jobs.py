"""What the worker does about uploads: imports those that wait, and deletes files after a day."""

import asyncio
import time

from app.core.jobs import Job, Shared, house
from app.data.uploads import folder, store
from app.data.uploads.running import run_next

_EVERY_S = 1.0


def jobs(shared: Shared) -> list[Job]:
    """Return the jobs of this room."""

    async def step() -> bool:
        done = await run_next(shared.db, shared.settings)
        if done:
            # popular lists may look other now
            shared.bulk.set()
        return done

    async def forget() -> None:
        kept = await store.forget_old(shared.db)
        await asyncio.to_thread(folder.sweep, shared.settings, set(kept), time.time())

    return [Job("imports", step, _EVERY_S), house("old uploads", forget)]
