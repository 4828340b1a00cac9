"""Reading ahead: the next chunk of a file is parsed in a thread while the last one is stored."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

Chunk = TypeVar("Chunk")


async def ahead(read: Callable[[], Chunk | None]) -> AsyncGenerator[Chunk, None]:
    """Give what `read` returns, call after call, until it returns None."""
    coming = asyncio.create_task(asyncio.to_thread(read))
    try:
        while (chunk := await coming) is not None:
            coming = asyncio.create_task(asyncio.to_thread(read))
            yield chunk
    finally:
        # a thread cannot be cancelled: it must be done before the file is closed
        await asyncio.gather(coming, return_exceptions=True)
