"""Reading ahead: the next chunk of a file is parsed in a thread while the last one is stored."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from itertools import islice
from typing import Generic, TypeVar

Chunk = TypeVar("Chunk")
Row = TypeVar("Row")


class Stretches(Generic[Row]):
    """Rows a stretch at a time; a fault in the middle of one is raised after the rows before it were given."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._fault: Exception | None = None

    def take(self, count: int) -> list[Row]:
        """Return the next rows, fewer at the end."""
        if self._fault is not None:
            raise self._fault
        found: list[Row] = []
        try:
            found.extend(islice(self._rows, count))
        except Exception as fault:
            if not found:
                raise
            self._fault = fault
        return found


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
