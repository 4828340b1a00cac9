"""What a send will ask of the servers and of Redis, against what was measured. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

import numpy as np

from app.serving.model import candidates as lists

SHARE = 0.7
"""Share of the servers' CPU that a forecast counts on: the database, Redis and everyone else who asks need the rest."""
ALIVE = timedelta(minutes=3)
"""A server process that has not told of itself for so long is gone."""
LIST_OVERHEAD_BYTES = 150
"""What Redis keeps beside the bytes of a list: its key, its expiry, its entry."""


@dataclass(frozen=True)
class Measured:
    """What a server process told: `workers` of its server, `cpus` it may use, CPU microseconds a request if measured."""

    workers: int
    cpus: float
    cpu_us: float | None
    requests: int | None
    measured_at: datetime | None
    snapshot_age_s: float
    seen_at: datetime


@dataclass(frozen=True)
class Capacity:
    """Requests a second that the running servers can answer, None where that was not measured.

    `processes` counts those that have a CPU of their own.
    """

    processes: float
    cpu_us: float | None
    per_s: float | None
    measured_at: datetime | None


def capacity(rows: Sequence[Measured], now: datetime) -> Capacity:
    """Return what the servers can carry; rows of processes that are gone still tell what a request costs."""
    alive = [row for row in rows if now - row.seen_at < ALIVE]
    # more processes than CPUs do not carry more
    processes = sum(min(1.0, row.cpus / row.workers) for row in alive)
    measured = [row for row in alive if row.cpu_us] or [row for row in rows if row.cpu_us]
    if not measured:
        return Capacity(processes, None, None, None)
    cpu_us = median(row.cpu_us for row in measured if row.cpu_us)
    measured_at = max(row.measured_at for row in measured if row.measured_at)
    return Capacity(processes, cpu_us, processes * 1e6 / cpu_us * SHARE if processes else None, measured_at)


@dataclass(frozen=True)
class Load:
    """Requests that sends bring: on average over the duration, at the peak, and the peak of others at the same time."""

    calls: float
    mean_per_s: float
    peak_per_s: float
    others_per_s: float = 0.0

    @property
    def total_per_s(self) -> float:
        """The peak of all sends together."""
        return self.peak_per_s + self.others_per_s


def load(people: int, duration_s: int, calls_a_person: float, peak_factor: float) -> Load:
    """Return what a send of so many people brings."""
    mean = people * calls_a_person / duration_s
    return Load(people * calls_a_person, mean, mean * peak_factor)


def overlap(start: datetime, end: datetime, other_start: datetime, other_end: datetime) -> bool:
    """Tell whether two sends run at the same time."""
    return start < other_end and other_start < end


def memory_bytes(people: int, candidates: int) -> int:
    """Return the memory that Redis needs for the lists of so many people."""
    one = lists.pack(1, 1, np.arange(candidates), np.linspace(1, 0, candidates))
    return people * (len(one) + LIST_OVERHEAD_BYTES)
