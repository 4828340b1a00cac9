"""Keeps what was served until it is written: a bounded buffer, emptied in groups, never in front of an answer."""

import asyncio
import struct
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

from app.core import telemetry
from app.core.logging import log
from app.serving.model.call import Call
from app.serving.record.asked import asked

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
        """Write what is here now; on a failure it stays, as far as there is room.

        What comes meanwhile waits for the next turn: a transaction costs the same for three records as for thousands.
        """
        left = len(self._records)
        while left > 0:
            batch, self._records = self._records[:_AT_ONCE], self._records[_AT_ONCE:]
            left -= len(batch)
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
    outcome, placed = call.outcome, call.placed
    cells, count = call.snapshot.catalogue.cells, len(outcome.picks)
    at = int((time.time() - _EPOCH_2000) * 1e6)
    rung, reason = outcome.rung.number, outcome.reason.number
    send_id = call.send_id or call.campaign
    if placed.number and call.client_no and outcome.person_no and outcome.model_no and not send_id:
        front = _USUAL.pack(
            len(SERVE_COLUMNS), 2, call.tenant, 8, at, 16, outcome.recommendation_id, 4, placed.number, 4, call.client_no,
            8, outcome.person_no, 2, rung, 2, reason, 4, outcome.model_no, 4, placed.version, -1, 0,
        )  # fmt: skip
    else:
        text = send_id.encode("utf-8", "replace").replace(b"\0", b"")
        front = b"".join(
            (
                _FRONT.pack(len(SERVE_COLUMNS), 2, call.tenant, 8, at, 16, outcome.recommendation_id),
                _int(placed.number),
                _int(call.client_no),
                _BIG.pack(8, outcome.person_no) if outcome.person_no else _NULL,
                _PAIR.pack(2, rung, 2, reason),
                _int(outcome.model_no),
                _int(placed.version),
                _LENGTH.pack(len(text)) + text if text else _NULL,
                _EMPTY,
            )
        )
    shown = [8 * index for index, _, _ in outcome.picks]
    items, prices = cells
    latency = min(int((call.written - call.started) * 1e6), 2_000_000_000)
    return b"".join(
        (
            front, _array(count, _INT4), *[items[place : place + 8] for place in shown],
            _array(count, _FLOAT4), *[prices[place : place + 8] for place in shown],
            _asked(call, latency) if call.said else _LAST.pack(4, latency, -1),
        )
    )  # fmt: skip


def _asked(call: Call, latency: int) -> bytes:
    said = asked(call)
    return _LAST.pack(4, latency, len(said)) + said if said else _LAST.pack(4, latency, -1)


_EPOCH_2000 = 946_684_800
_INT4, _FLOAT4 = 23, 700  # PostgreSQL's numbers of the element types
_FRONT, _BIG, _PAIR = struct.Struct("!hihiqi16s"), struct.Struct("!iq"), struct.Struct("!ihih")
_USUAL = struct.Struct("!hihiqi16siiiiiqihihiiiiii")
_LENGTH, _NUMBER, _LAST = struct.Struct("!i"), struct.Struct("!ii"), struct.Struct("!iii")
_NULL, _EMPTY = _LENGTH.pack(-1), _LENGTH.pack(0)


def _int(value: int) -> bytes:
    return _NUMBER.pack(4, value) if value else _NULL


@lru_cache(maxsize=128)
def _array(count: int, element: int) -> bytes:
    """Return what stands before the elements of an array; an empty one has no dimension, so neither length nor lower bound."""
    return struct.pack("!iiiiii", 20 + 8 * count, 1, 0, element, count, 1) if count else struct.pack("!iiii", 12, 0, 0, element)


SERVE_COLUMNS = (
    "tenant", "served_at", "recommendation_id", "placement_no", "client_no", "person_no", "rung", "reason", "model_no",
    "placement_version", "send_id", "arm", "items", "prices", "latency_us", "asked",
)  # fmt: skip


def serves(write: Writer) -> Buffer:
    """Return the buffer of serves."""
    return Buffer("serves", write, telemetry.SERVES_DROPPED)
