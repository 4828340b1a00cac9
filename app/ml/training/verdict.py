"""Whether a new model is worth showing: its hold-out beside that of `popular`; what is said of it stands in `registry.details`."""

from typing import Any

from app.ml.registry.details import FEW_PEOPLE, pairs
from app.ml.registry.details import POPULAR as POPULAR
from app.ml.registry.details import people as people
from app.ml.registry.details import sentence as sentence

BY_ITEM = frozenset({"item_to_item"})
"""Recommenders that are asked what fits an item: a person's next purchase does not judge them."""


def loses(name: str, metrics: dict[str, Any]) -> bool:
    """Tell whether `popular` was better in every task that both were measured in, on enough people to say so."""
    if name in BY_ITEM or people(metrics) < FEW_PEOPLE:
        return False
    measured = pairs(metrics)
    return bool(measured) and all(mine < theirs for _, mine, theirs in measured)
