"""Ending tasks: all have ended afterwards, also one that lost its cancellation; long ones let others in."""

import asyncio

import pytest

from app.core import tasks


async def forever(lost: int) -> None:
    """Go on after so many cancellations, as a call does that a library took them from."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            lost -= 1
            if lost < 0:
                raise


@pytest.mark.parametrize("lost", [0, 1, 3])
async def test_a_task_ends_however_many_cancellations_are_lost(lost: int) -> None:
    task = asyncio.create_task(forever(lost))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await tasks.stop(task, again_s=0.01)
    assert task.cancelled()


async def test_what_a_task_raises_while_it_ends_reaches_nobody() -> None:
    async def fails() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise ValueError("at the end")

    task = asyncio.create_task(fails())
    done = asyncio.create_task(asyncio.sleep(0))
    await asyncio.sleep(0)
    await tasks.stop(task, done)
    assert task.done()


async def test_nothing_to_end_is_ended() -> None:
    await tasks.stop()


async def test_whoever_goes_through_many_lets_others_have_turns() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    assert [one async for one in tasks.in_turns(range(100), 10)] == list(range(100))
    assert turns == 10
    await tasks.stop(task)
