"""The rung of what came into the catalogue last."""

import numpy as np

from app.serving.model.outcome import ItemReason, Pick
from app.serving.path.choose import choose
from app.serving.path.rungs.climb import Climb

# so many of the latest are looked at
_MOST = 1_000


def newest(climb: Climb) -> list[Pick]:
    """Give the items that came last, the latest first; those of one moment by what is popular."""
    call = climb.call
    catalogue = call.snapshot.catalogue
    first = catalogue.passing(call.wanted).first[:-1]
    groups = np.flatnonzero(first >= 0)
    # a picture on disk that is older than moments has only the order of numbers, which is that of coming
    came = catalogue.created[first[groups]] if len(catalogue.created) else catalogue.item_no[first[groups]].astype(np.float64)
    groups = groups[np.argsort(-came, kind="stable")[:_MOST]]
    numbers = catalogue.group_no[groups].tolist()
    picks = choose(call, [(number, 1.0 / place) for place, number in enumerate(numbers, 1)], ItemReason.NEW, climb.taken())
    call.told("newest", f"{len(picks)} items")
    return picks
