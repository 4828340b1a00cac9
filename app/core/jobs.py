"""What a room gives the worker to do: named steps, each repeated after a pause for as long as the worker leads.

A room has a function `jobs(shared)` in its `jobs.py`; `app.worker.ROOMS` lists the rooms.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from app.core.db import Database
from app.core.embedded import Urls
from app.core.settings import Settings

Step = Callable[[], Awaitable[bool]]
HOUSE_S = 3600.0
"""Pause between two turns of what keeps house: deleting what is old, making what is due."""


@dataclass
class Shared:
    """What jobs of one worker share. `bulk` is set once many events were applied, or people moved, at once; `closing` runs at the end."""

    settings: Settings
    urls: Urls
    db: Database
    bulk: asyncio.Event = field(default_factory=asyncio.Event)
    closing: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    async def tenants(self) -> list[int]:
        """Return the numbers of all tenants."""
        return [row[0] for row in await self.db.rows("select tenant from tenant order by tenant")]


@dataclass(frozen=True)
class Job:
    """A step and the seconds of pause after a turn that found nothing more to do; `wake` ends the pause. The step returns True for more."""

    name: str
    step: Step
    every_s: float
    wake: asyncio.Event | None = None


async def each(tenants: Iterable[int], work: Callable[[int], Awaitable[int]]) -> list[int]:
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


def house(name: str, work: Callable[[], Awaitable[object]]) -> Job:
    """Return a job that keeps house."""

    async def step() -> bool:
        await work()
        return False

    return Job(name, step, HOUSE_S)
