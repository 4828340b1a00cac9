"""Clicks and opens on their way to PostgreSQL: to the disk within moments, to the database as soon as it takes them.

Each has an id of its own that the event log claims, so whatever is written again after a crash lands once.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import orjson

from app.core import telemetry
from app.core.logging import log
from app.core.outage import is_away
from app.data.events.machines import settle
from app.data.kinds import Signal
from app.serving.clickback import spool
from app.serving.clickback.spool import Spool
from app.serving.render.links import Served

_GATHER_S = 0.05
_LOOK_S = 1.0
_ADOPT_S = 30.0
_AT_ONCE = 2_000
_WRITE_S = 10.0
_LONGEST_PAUSE_S = 5.0


class Response(NamedTuple):
    """A click or an open of a serve; `at` in microseconds since 1970, `position` and `item_no` 0 for an open, 0 for no mark."""

    message_id: bytes
    tenant: int
    at: int
    signal: int
    person_no: int
    recommendation_id: bytes
    placement_no: int
    campaign: str
    position: int
    item_no: int
    client: int
    mark: int


def response(served: Served, position: int, agent: str, *, prefetch: bool = False) -> Response:
    """Return the click on a position of a serve, or its open where the position is 0."""
    now = time.time()
    # only letters are made before they are read: on a page a click may come at once
    client, mark = settle(agent, opened=not position, prefetch=prefetch, after_s=now - served.at if served.campaign else None)
    return Response(
        os.urandom(16), served.tenant, int(now * 1e6), int(Signal.CLICK if position else Signal.OPEN), served.person_no,
        served.recommendation_id, served.placement_no, served.campaign, position, served.items[position - 1] if position else 0,
        int(client), int(mark or 0),
    )  # fmt: skip


def packed(one: Response) -> bytes:
    """Write a response as one line."""
    return orjson.dumps([value.hex() if isinstance(value, bytes) else value for value in one])


def unpacked(line: bytes) -> Response | None:
    """Read a line; None when it is torn or not one of ours."""
    try:
        values = orjson.loads(line)
        values[0], values[5] = bytes.fromhex(values[0]), bytes.fromhex(values[5])
        found = Response(*values)
    except (ValueError, TypeError, IndexError, KeyError):
        return None
    numbers = [value for place, value in enumerate(found) if place not in (0, 5, 7)]
    if not isinstance(found.campaign, str) or any(type(value) is not int or not 0 <= value < 1 << 63 for value in numbers):
        return None
    # a line that somebody else wrote must not become a signal that nothing knows
    return found if found.signal in (Signal.CLICK, Signal.OPEN) and len(found.recommendation_id) == len(found.message_id) == 16 else None


Write = Callable[[list[Response]], Awaitable[None]]


class Responses:
    """Takes responses and sees to it that each is written once; adding one never waits and never fails.

    While the database is away they lie in the spool, and in memory only as far as the disk takes none; what neither has room
    for is dropped and counted.
    """

    def __init__(self, write: Write, own: Spool | None, most: int = 50_000) -> None:
        self._write = write
        self._spool = own
        self._most = most
        self._fresh: list[Response] = []
        self._loose: list[Response] = []  # not on the disk
        self._copied: list[Response] = []  # on the disk, too
        self._behind = False  # there is more on the disk than in `_copied`
        self._offset = 0
        self._pause = 0.0
        self._try_at = 0.0
        self._adopt_at = 0.0
        self._more = asyncio.Event()
        self._turn = asyncio.Lock()  # of writing to the database
        self._disk = asyncio.Lock()  # of the file

    def add(self, one: Response) -> None:
        """Take a response, unless nothing more fits."""
        if len(self._fresh) + len(self._loose) >= self._most:
            telemetry.CLICKS_DROPPED.inc()
            return
        self._fresh.append(one)
        self._more.set()

    async def run(self) -> None:
        """Write for ever; when the task is cancelled, what is left is written, or stays on the disk."""
        under_way: asyncio.Task[None] | None = None
        saving: asyncio.Task[None] | None = None
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_S):
                        await self._more.wait()
                        await asyncio.sleep(_GATHER_S)
                self._more.clear()
                # what is on its way to the disk is noted, whatever becomes of this task
                saving = asyncio.create_task(self._save())
                await asyncio.shield(saving)
                # a database that hangs keeps nobody's click from the disk
                if under_way is None or under_way.done():
                    under_way = asyncio.create_task(self._to_database())
        finally:
            if under_way is not None:
                under_way.cancel()
            await asyncio.gather(*(task for task in (saving, under_way) if task is not None), return_exceptions=True)
            self._try_at = 0.0
            await self.flush()
            if self._spool is not None:
                await asyncio.to_thread(self._spool.close)

    async def flush(self) -> None:
        """Bring what is here to the disk and, unless it was away a moment ago, to the database."""
        await self._save()
        await self._to_database()

    async def _to_database(self) -> None:
        async with self._turn:
            if time.monotonic() < self._try_at:
                return
            try:
                if self._waits():
                    await self._deliver()
                await self._adopt()
                self._pause = 0.0
            except Exception as error:
                if not self._pause:
                    log.warning("responses.failed", error=type(error).__name__)
                self._pause = min(_LONGEST_PAUSE_S, max(0.2, 2 * self._pause))
                self._try_at = time.monotonic() + self._pause
                # the disk has them, memory need not
                self._behind = self._spool is not None and self._spool.size > self._offset
                self._copied = []

    def _waits(self) -> bool:
        return bool(self._fresh or self._loose or self._copied or self._behind or (self._spool is not None and self._spool.size))

    async def _save(self) -> None:
        """Move what is fresh to the disk, as far as that takes it."""
        async with self._disk:
            batch, self._fresh = self._fresh, []
            kept = 0
            if batch and self._spool is not None:
                kept = await asyncio.to_thread(self._spool.append, [packed(one) for one in batch])
                telemetry.SPOOLED.set(self._spool.size)
            self._loose += batch[kept:]
            if not self._behind:
                self._copied += batch[:kept]

    async def _deliver(self) -> None:
        while True:
            for waiting in (self._loose, self._copied):
                while waiting:  # more may come meanwhile
                    batch = waiting[:_AT_ONCE]
                    await self._written(batch)
                    del waiting[: len(batch)]
            if self._spool is None:
                return
            size = self._spool.size
            lines: list[bytes] = []
            if self._behind:
                lines, self._offset = await self._read(self._spool, self._offset)
            async with self._disk:
                # what was appended meanwhile must be written before the file is emptied
                if lines or self._loose or self._copied or (self._behind and self._spool.size != size):
                    continue
                self._spool.clear()  # in one step with what is noted of it, also when this task is cancelled
                self._behind, self._offset = False, 0
                telemetry.SPOOLED.set(self._spool.size)
                return

    async def _read(self, source: "Spool | spool.Left", offset: int) -> tuple[list[bytes], int]:
        """Write the next lines of a file; return them and the offset behind them."""
        lines, reached = await asyncio.to_thread(source.read, offset)
        found = [one for line in lines if (one := unpacked(line)) is not None]
        if len(found) < len(lines):
            telemetry.CLICKS_DROPPED.inc(len(lines) - len(found))
        for first in range(0, len(found), _AT_ONCE):
            await self._written(found[first : first + _AT_ONCE])
        return lines, reached

    async def _written(self, batch: list[Response]) -> None:
        """Write responses; those that the database refuses for what they are do not keep the others back."""
        try:
            async with asyncio.timeout(_WRITE_S):
                await self._write(batch)
        except Exception as error:
            if is_away(error):
                raise
            if len(batch) == 1:
                telemetry.CLICKS_DROPPED.inc()
                log.error("responses.refused", error=type(error).__name__)
                return
            for one in batch:
                await self._written([one])

    async def _adopt(self) -> None:
        """Write what processes that are gone left on the disk."""
        if self._spool is None or time.monotonic() < self._adopt_at:
            return
        for left in await asyncio.to_thread(self._spool.left_behind):
            try:
                offset, lines = 0, [b""]
                while lines:
                    lines, offset = await self._read(left, offset)
                await asyncio.to_thread(left.remove)
                log.info("responses.adopted", bytes=offset)
            finally:
                left.close()
        self._adopt_at = time.monotonic() + _ADOPT_S
