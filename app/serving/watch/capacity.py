"""Each server process measures what a served request costs it, and tells PostgreSQL once a minute; forecasts of sends rest on it."""

import asyncio
import os
import secrets
import time
from collections import deque
from pathlib import Path
from statistics import median

from app.core import telemetry
from app.core.db import Database
from app.core.logging import log
from app.core.settings import Settings
from app.serving.snapshot.holder import Holder

TICK_S = 1.0
TELL_S = 60.0
LEAST_REQUESTS = 500
"""Requests that a window needs before it is believed."""
LONGEST_WINDOW_S = 20.0
"""A window that takes longer is thrown away: at so few requests a second the work in between weighs more than they do."""
_WINDOWS = 9
_KEPT_DAYS = 7
_QUOTA = Path("/sys/fs/cgroup/cpu.max")

_TELL = """
insert into capacity (tenant, process, workers, cpus, cpu_us, requests, measured_at, snapshot_age_s)
values (:tenant, :process, :workers, :cpus, :cpu_us, :requests, case when :new then now() end, :age)
on conflict (tenant, process) do update set workers = excluded.workers, cpus = excluded.cpus, cpu_us = excluded.cpu_us,
    requests = excluded.requests, snapshot_age_s = excluded.snapshot_age_s, seen_at = now(),
    measured_at = coalesce(excluded.measured_at, capacity.measured_at)
"""
_FORGET = "delete from capacity where tenant = :tenant and seen_at < now() - make_interval(days => :days)"


class Meter:
    """CPU time a served request, from looks at the process once a second.

    Seconds without a request tell what the process costs by itself, which is taken off. The median of the last windows
    counts; `requests` is how many they hold, `fresh` whether a window was added since it was last told.
    """

    def __init__(self) -> None:
        self._last: tuple[float, float, float] | None = None
        self._idle_share = 0.0
        self._cpu = self._served = self._seconds = 0.0
        self._windows: deque[tuple[float, float]] = deque(maxlen=_WINDOWS)
        self.fresh = False

    @property
    def cpu_us(self) -> float | None:
        """CPU microseconds a request; None while no window can be believed."""
        return median(cost for cost, _ in self._windows) if self._windows else None

    @property
    def requests(self) -> int | None:
        """Requests behind the figure."""
        return int(sum(count for _, count in self._windows)) if self._windows else None

    def look(self, at: float, cpu_s: float, served: float) -> None:
        """Take a look: the moment, CPU seconds used and requests served so far."""
        last, self._last = self._last, (at, cpu_s, served)
        if last is None:
            return
        seconds, cpu, count = at - last[0], cpu_s - last[1], served - last[2]
        if seconds <= 0:
            return
        if count <= 0:
            share = min(cpu / seconds, 1.0)
            self._idle_share = 0.8 * self._idle_share + 0.2 * share if self._idle_share else share
            self._empty()
            return
        self._cpu, self._served, self._seconds = self._cpu + cpu, self._served + count, self._seconds + seconds
        if self._served >= LEAST_REQUESTS:
            cost = (self._cpu - self._idle_share * self._seconds) / self._served
            if cost > 0:
                self._windows.append((1e6 * cost, self._served))
                self.fresh = True
            self._empty()
        elif self._seconds > LONGEST_WINDOW_S:
            self._empty()

    def _empty(self) -> None:
        self._cpu = self._served = self._seconds = 0.0


async def measure(db: Database, settings: Settings, holder: Holder, *, tick_s: float = TICK_S, tell_s: float = TELL_S) -> None:
    """Look and tell for ever; whatever is wrong with the database never matters to serving."""
    meter, process, told_at, failing = Meter(), secrets.token_hex(8), 0.0, False
    while True:
        meter.look(time.monotonic(), time.process_time(), served())
        if holder.current and time.monotonic() - told_at >= tell_s:
            told_at = time.monotonic()
            try:
                async with asyncio.timeout(5):
                    await tell(db, settings, list(holder.current), process, meter, holder.age())
                failing = False
            except Exception as error:
                if not failing:
                    log.warning("capacity.not_told", error=type(error).__name__)
                failing = True
        await asyncio.sleep(tick_s)


async def tell(db: Database, settings: Settings, tenants: list[int], process: str, meter: Meter, age_s: float) -> None:
    """Write what this process knows of itself, for each tenant that it answers for."""
    new, cost, count, available = meter.fresh, meter.cpu_us, meter.requests, cpus()
    for tenant in tenants:
        await db.run(
            _TELL, tenant=tenant, process=process, workers=settings.workers, cpus=available, cpu_us=cost, requests=count, new=new,
            age=min(age_s, 1e6),
        )  # fmt: skip
        await db.run(_FORGET, tenant=tenant, days=_KEPT_DAYS)
    meter.fresh = False


def served() -> float:
    """Return how many requests this process has served."""
    telemetry.flush()
    return sum(sample.value for metric in telemetry.SERVES.collect() for sample in metric.samples if sample.name.endswith("_total"))


def cpus() -> float:
    """Return how many CPUs this process may use: its affinity, or the quota of its container where that is less."""
    count = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else float(os.cpu_count() or 1)
    try:
        quota, period = _QUOTA.read_text().split()
    except (OSError, ValueError):
        return count
    return count if quota == "max" else min(count, int(quota) / int(period))
