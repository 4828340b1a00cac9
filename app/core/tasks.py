"""Ending tasks for certain, and long ones that let others in."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

_AGAIN_S = 5.0
"""Longer than a task that was cancelled takes to put away what it holds."""


async def stop(*tasks: "asyncio.Task[Any]", again_s: float = _AGAIN_S) -> None:
    """Cancel tasks and return once all have ended; what they raise is dropped.

    A task that goes on is cancelled again: until Python 3.12, `asyncio.wait_for` returns as if nothing were where the cancellation
    meets it just as what it waits for is done (CPython issue 86296), and redis-py sends every command within one.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again_s)
    await asyncio.gather(*tasks, return_exceptions=True)


async def in_turns(many: Iterable[T], most: int = 64) -> AsyncIterator[T]:
    """Give one after the other, and after so many let whoever else waits for this process have a turn."""
    for place, one in enumerate(many, 1):
        yield one
        if place % most == 0:
            await asyncio.sleep(0)
