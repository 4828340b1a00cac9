"""Every Prometheus series, in one place; all workers of a server are summed."""

import os
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

SERVES = Counter("morsel_serves_total", "Answers given.", ["placement", "rung", "reason"])
SERVE_SECONDS = Histogram(
    "morsel_serve_seconds",
    "Time from a parsed request to its answer.",
    ["rung"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2),
)
ERRORS = Counter("morsel_dependency_errors_total", "Calls to a dependency that failed.", ["dependency", "kind"])
SERVES_DROPPED = Counter("morsel_serves_dropped_total", "Serve records dropped because the buffer was full.")
CLICKS_DROPPED = Counter("morsel_clicks_dropped_total", "Clicks that could not be recorded.")
UNKNOWN_PLACEMENTS = Counter("morsel_unknown_placements_total", "Requests that named a placement never known.")
LIMITED = Counter("morsel_rate_limited_total", "Calls over a client's limit.", ["kind"])
EVENTS_ACCEPTED = Counter("morsel_events_accepted_total", "Events stored.", ["source"])
EVENTS_APPLIED = Counter("morsel_events_applied_total", "Events that reached the state of a person.")
APPLY_LAG = Gauge("morsel_apply_lag_seconds", "Age of the oldest event not yet applied.", multiprocess_mode="max")
SNAPSHOT_AGE = Gauge("morsel_snapshot_age_seconds", "Seconds since the snapshot was last known to be current.", multiprocess_mode="max")


def metrics() -> bytes:
    """Return the series of all workers in the Prometheus text format."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not folder:
        return generate_latest()
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def prepare_folder(folder: Path) -> None:
    """Empty the folder in which the workers of this server meet, and name it in the environment."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.db"):
        old.unlink(missing_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
