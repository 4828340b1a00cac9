"""Keeps what was served and clicked until it is written: a bounded buffer, emptied in groups, never in front of an answer."""

import asyncio
import struct
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from app.core import telemetry
from app.core.logging import log
from app.serving.domain import REASONS, RUNGS, Outcome
from app.serving.links import Served
from app.serving.request import Request
from app.serving.snapshot.snapshot import Placed, Snapshot

Writer = Callable[[list[Any]], Awaitable[None]]
_EVERY_S = 0.5
_AT_ONCE = 5000


class Buffer:
    """Records on their way to a writer; overflow is dropped and counted, a failed write is tried again."""

    def __init__(self, name: str, write: Writer, dropped: Any, size: int = 50_000) -> None:
        self._name = name
        self._write = write
        self._dropped = dropped
        self._size = size
        self._records: list[Any] = []
        self._failing = False

    def add(self, record: Any) -> None:
        """Take a record, unless the buffer is full."""
        if len(self._records) >= self._size:
            self._dropped.inc()
            return
        self._records.append(record)

    async def run(self) -> None:
        """Write for ever; what is left is written when the task is cancelled."""
        try:
            while True:
                await asyncio.sleep(_EVERY_S)
                telemetry.flush()
                await self.flush()
        finally:
            await self.flush()

    async def flush(self) -> None:
        """Write all records; on a failure they stay, as far as there is room."""
        while self._records:
            batch, self._records = self._records[:_AT_ONCE], self._records[_AT_ONCE:]
            try:
                async with asyncio.timeout(10):
                    await self._write(batch)
                self._failing = False
            except Exception as error:
                # whatever failed, answers go on; the records wait for the next turn
                if not self._failing:
                    log.warning("record.failed", what=self._name, error=type(error).__name__)
                self._failing = True
                room = max(0, self._size - len(self._records))
                if len(batch) > room:
                    self._dropped.inc(len(batch) - room)
                self._records = batch[:room] + self._records
                return


def serve_record(request: Request, placed: Placed, snapshot: Snapshot, outcome: Outcome, client_no: int, started: float) -> bytes:
    """Return the row of a serve in PostgreSQL's binary COPY format, in the order of `SERVE_COLUMNS`."""
    catalogue = snapshot.catalogue
    send_id = request.send_id or request.campaign
    text = send_id.encode("utf-8", "replace").replace(b"\0", b"") if send_id else b""
    count = len(outcome.picks)
    front = _FRONT.pack(15, 2, request.tenant, 8, int((time.time() - _EPOCH_2000) * 1e6), 16, outcome.recommendation_id)
    middle = (
        _int(placed.number),
        _int(client_no),
        _BIG.pack(8, outcome.person_no) if outcome.person_no else _NULL,
        _PAIR.pack(2, _RUNG[outcome.rung], 2, _REASON[outcome.reason]),
        _int(outcome.model_no),
        _int(placed.version),
        _LENGTH.pack(len(text)) + text if text else _NULL,
    )
    numbers, prices = catalogue.numbers, catalogue.prices
    items: list[float] = [20 + 8 * count, 1, 0, _INT4, count, 1]
    costs: list[float] = [20 + 8 * count, 1, 0, _FLOAT4, count, 1]
    for pick in outcome.picks:
        items += (4, numbers[pick.index])
        costs += (4, prices[pick.index])
    latency = min(int((time.perf_counter() - started) * 1e6), 2_000_000_000)
    return b"".join((front, *middle, _EMPTY, _ints(count).pack(*items), _reals(count).pack(*costs), _LAST.pack(4, latency)))


_EPOCH_2000 = 946_684_800
_INT4, _FLOAT4 = 23, 700  # PostgreSQL's numbers of the element types
_FRONT, _BIG, _PAIR = struct.Struct("!hihiqi16s"), struct.Struct("!iq"), struct.Struct("!ihih")
_LENGTH, _LAST = struct.Struct("!i"), struct.Struct("!ii")
_NULL, _EMPTY = _LENGTH.pack(-1), _LENGTH.pack(0)
_RUNG = {rung: number for number, rung in enumerate(RUNGS)}
_REASON = {reason: number for number, reason in enumerate(REASONS)}


def _int(value: int) -> bytes:
    return _LAST.pack(4, value) if value else _NULL


@lru_cache(maxsize=64)
def _ints(count: int) -> struct.Struct:
    # an empty array has no dimension, so neither length nor lower bound
    return struct.Struct("!iiiiii" + "ii" * count)


@lru_cache(maxsize=64)
def _reals(count: int) -> struct.Struct:
    return struct.Struct("!iiiiii" + "if" * count)


SERVE_COLUMNS = (
    "tenant", "served_at", "recommendation_id", "placement_no", "client_no", "person_no", "rung", "reason", "model_no",
    "placement_version", "send_id", "arm", "items", "prices", "latency_us",
)  # fmt: skip


def click_record(served: Served, position: int) -> tuple[Any, ...]:
    """Return a click on its way to the event log: tenant, moment, person, item, recommendation and position."""
    return (served.tenant, datetime.now(UTC), served.person_no, served.items[position - 1], served.recommendation_id, position)


def serves(write: Writer) -> Buffer:
    """Return the buffer of serves."""
    return Buffer("serves", write, telemetry.SERVES_DROPPED)


def clicks(write: Writer) -> Buffer:
    """Return the buffer of clicks."""
    return Buffer("clicks", write, telemetry.CLICKS_DROPPED)
