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
from app.serving.call import Call
from app.serving.domain import REASONS, RUNGS
from app.serving.links import Served

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


def serve_record(call: Call) -> bytes:
    """Return the row of a serve in PostgreSQL's binary COPY format, in the order of `SERVE_COLUMNS`."""
    outcome, catalogue = call.outcome, call.snapshot.catalogue
    numbers, prices, count = catalogue.numbers, catalogue.prices, len(outcome.picks)
    send_id = call.send_id or call.campaign
    text = send_id.encode("utf-8", "replace").replace(b"\0", b"") if send_id else b""
    at = int((time.time() - _EPOCH_2000) * 1e6)
    values = [len(SERVE_COLUMNS), 2, call.tenant, 8, at, 16, outcome.recommendation_id]
    given = (call.placed.number, call.client_no, outcome.person_no, outcome.model_no, call.placed.version)
    placement, client, person, model, version = given
    values += (4, placement) if placement else _NULL
    values += (4, client) if client else _NULL
    values += (8, person) if person else _NULL
    values += (2, _RUNG[outcome.rung], 2, _REASON[outcome.reason])
    values += (4, model) if model else _NULL
    values += (4, version) if version else _NULL
    values += (len(text), text, 0) if text else (-1, 0)
    size = 20 + 8 * count
    # an empty array has no dimension, so neither length nor lower bound
    values += (size, 1, 0, _INT4, count, 1) if count else (12, 0, 0, _INT4)
    for index, _, _ in outcome.picks:
        values += (4, numbers[index])
    values += (size, 1, 0, _FLOAT4, count, 1) if count else (12, 0, 0, _FLOAT4)
    for index, _, _ in outcome.picks:
        values += (4, prices[index])
    values += (4, min(int((call.written - call.started) * 1e6), 2_000_000_000))
    return _layout(tuple(map(bool, given)), len(text), count).pack(*values)


_EPOCH_2000 = 946_684_800
_INT4, _FLOAT4 = 23, 700  # PostgreSQL's numbers of the element types
_NULL = (-1,)
_RUNG = {rung: number for number, rung in enumerate(RUNGS)}
_REASON = {reason: number for number, reason in enumerate(REASONS)}


@lru_cache(maxsize=512)
def _layout(given: tuple[bool, ...], text: int, count: int) -> struct.Struct:
    """Return the layout of a row: of each column its length, -1 for NULL, and its value."""
    placement, client, person, model, version = given
    parts = ["!hihiqi16s", "ii" if placement else "i", "ii" if client else "i", "iq" if person else "i", "ihih"]
    parts += ["ii" if model else "i", "ii" if version else "i", f"i{text}si" if text else "ii"]
    array = "iiiiii" if count else "iiii"
    return struct.Struct("".join([*parts, array, "ii" * count, array, "if" * count, "ii"]))


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
