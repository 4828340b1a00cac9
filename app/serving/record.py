"""Keeps what was served and clicked until it is written: a bounded buffer, emptied in groups, never in front of an answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from app.core import telemetry
from app.core.logging import log
from app.serving.domain import REASONS, RUNGS, Outcome
from app.serving.links import Served
from app.serving.request import Request
from app.serving.snapshot.snapshot import Placed, Snapshot

Writer = Callable[[list[tuple[Any, ...]]], Awaitable[None]]
_EVERY_S = 0.5
_AT_ONCE = 5000


class Buffer:
    """Records on their way to a writer; overflow is dropped and counted, a failed write is tried again."""

    def __init__(self, name: str, write: Writer, dropped: Any, size: int = 50_000) -> None:
        self._name = name
        self._write = write
        self._dropped = dropped
        self._size = size
        self._records: list[tuple[Any, ...]] = []
        self._failing = False

    def add(self, record: tuple[Any, ...]) -> None:
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


def serve_record(request: Request, placed: Placed, snapshot: Snapshot, outcome: Outcome, client_no: int, started: float) -> tuple[Any, ...]:
    """Return the row of a serve, in the order of `SERVE_COLUMNS`."""
    catalogue = snapshot.catalogue
    return (
        request.tenant,
        datetime.now(UTC),
        outcome.recommendation_id,
        placed.number or None,
        client_no,
        outcome.person_no or None,
        RUNGS.index(outcome.rung),
        REASONS.index(outcome.reason),
        outcome.model_no or None,
        placed.version,
        (request.send_id or request.campaign).encode("utf-8", "replace").decode().replace("\0", "") or None,
        "",
        [int(catalogue.item_no[pick.index]) for pick in outcome.picks],
        [
            float(catalogue.price[pick.index]) if catalogue.price[pick.index] == catalogue.price[pick.index] else 0.0
            for pick in outcome.picks
        ],
        min(int((time.perf_counter() - started) * 1e6), 2_000_000_000),
    )


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
