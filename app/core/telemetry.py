"""Every Prometheus series, in one place; all workers of a server are summed."""

import os
from bisect import bisect_left
from collections import Counter as Counter_
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

from app.core import series_files

series_files.use()
SERVES = Counter("morsel_serves_total", "Answers given.", ["placement", "rung", "reason"])
SERVE_SECONDS = Histogram(
    "morsel_serve_seconds",
    "Time from a parsed request to its answer.",
    ["rung"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2),
)
ERRORS = Counter("morsel_dependency_errors_total", "Calls to a dependency that failed.", ["dependency", "kind"])
SERVES_DROPPED = Counter("morsel_serves_dropped_total", "Serve records dropped because the buffer was full.")
UNTRACKED = Counter("morsel_untracked_answers_total", "Answers with direct links and no open pixel, since the person wants no tracking.")
CLICKS_DROPPED = Counter("morsel_clicks_dropped_total", "Clicks and opens that could not be recorded.")
SPOOLED = Gauge("morsel_spool_bytes", "Bytes of clicks and opens on disk that PostgreSQL does not have yet.", multiprocess_mode="livesum")
UNKNOWN_PLACEMENTS = Counter("morsel_unknown_placements_total", "Requests that named a placement never known.")
CONNECTIONS_ENDED = Counter("morsel_connections_ended_total", "Connections ended before a request was whole or answered.", ["why"])
LIMITED = Counter("morsel_rate_limited_total", "Calls over a client's limit.", ["kind"])
EVENTS_ACCEPTED = Counter("morsel_events_accepted_total", "Events stored.", ["source"])
INTAKE_GROUP = Histogram(
    "morsel_intake_group_requests", "Requests whose events were stored in one transaction.", buckets=(1, 2, 4, 8, 16, 32, 64)
)
INTAKE_REFUSED = Counter("morsel_intake_full_total", "Messages sent back because too much was waiting to be stored.")
REFUSALS = Counter("morsel_refused_events_total", "Refused events that were kept, replayed, or not kept for want of room.", ["what"])
EVENT_FLAWS = Counter(
    "morsel_event_flaws_total", "Things of stored events that could not be used, such as an item, an amount or an id.", ["source", "what"]
)
EVENT_MONTHS_DROPPED = Counter("morsel_event_months_dropped_total", "Months of events dropped because they were kept long enough.")
EVENTS_APPLIED = Counter("morsel_events_applied_total", "Events that reached the state of a person.")
MERGES = Counter("morsel_people_merged_total", "Ids of people that changed the group they belong to.")
MERGES_REFUSED = Counter("morsel_people_merges_refused_total", "Links between ids refused because the person has too many.")
APPLY_LAG = Gauge("morsel_apply_lag_seconds", "Age of the oldest event not yet applied.", multiprocess_mode="mostrecent")
EVENT_FRESHNESS = Histogram(
    "morsel_event_freshness_seconds",
    "Time from the arrival of the oldest of a group of events until Redis showed all of them.",
    buckets=(0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 5, 10, 30, 60, 300, 3600),
)
PROBE_SECONDS = Histogram(
    "morsel_probe_seconds",
    "Time from the commit of the probe's event until Redis showed it.",
    buckets=(0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 5, 10, 30, 60),
)
PROBE_FAILING = Gauge("morsel_probe_failing", "Tenants whose last probe was late or never shown.", multiprocess_mode="mostrecent")
SNAPSHOT_AGE = Gauge("morsel_snapshot_age_seconds", "Seconds since the snapshot was last known to be current.", multiprocess_mode="max")


_notes: list[tuple[str, str, str, float]] = []


def served(placement: str, rung: str, reason: str, seconds: float) -> None:
    """Note an answer; the series get it with the next `flush`, since a series costs more than the note."""
    _notes.append((placement, rung, reason, seconds))


def flush() -> None:
    """Bring noted answers to their series."""
    notes = _notes[:]
    del _notes[: len(notes)]
    for labels, count in Counter_(note[:3] for note in notes).items():
        SERVES.labels(*labels).inc(count)
    seconds: dict[str, list[float]] = {}
    for _, rung, _, one in notes:
        seconds.setdefault(rung, []).append(one)
    for rung, every in seconds.items():
        child = SERVE_SECONDS.labels(rung)
        # the library has no way to note many at once, and each note takes a lock and writes to a shared file
        for bucket, count in Counter_(bisect_left(child._upper_bounds, one) for one in every).items():
            child._buckets[bucket].inc(count)
        child._sum.inc(sum(every))


def metrics() -> bytes:
    """Return the series of all workers in the Prometheus text format."""
    flush()
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not folder:
        return generate_latest()
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def prepare_folder(folder: Path) -> None:
    """Empty the folder in which the workers of this server meet, and name it in the environment."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # each process tells its own series then
        os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
        return
    for old in folder.glob("*.db"):
        old.unlink(missing_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
