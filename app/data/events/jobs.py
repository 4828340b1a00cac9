"""What the worker does about events that were taken in: forget message ids and refused events that are old enough."""

from functools import partial

from app.core.jobs import Job, Shared, house
from app.data.events.refused import store as refusals
from app.data.events.store import rotate_seen


def jobs(shared: Shared) -> list[Job]:
    """Return what keeps house among events."""
    return [
        house("seen", partial(rotate_seen, shared.db)),
        house("refused", partial(refusals.drop_old, shared.db, shared.settings.refused_days)),
    ]
