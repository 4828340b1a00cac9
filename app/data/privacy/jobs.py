"""What the worker does for privacy: partitions ahead of need, old events and serves dropped, keys of erased people forgotten."""

from functools import partial

from app.core.jobs import Job, Shared, house
from app.core.partitions import ensure_partitions
from app.data.privacy import erasing
from app.data.privacy.retention import drop_old_events, drop_old_serves


def jobs(shared: Shared) -> list[Job]:
    """Return what keeps house among people's data."""
    return [
        house("partitions", partial(ensure_partitions, shared.db)),
        house("erased", partial(erasing.forget_keys, shared.db, shared.settings)),
        house("events", partial(drop_old_events, shared.db, shared.settings.event_retention_months)),
        house("serves", partial(drop_old_serves, shared.db, shared.settings.serve_retention_months)),
    ]
