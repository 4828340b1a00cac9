"""Conditions of filters over a catalogue: what items alone tell is a mask, made once for each picture of them; rules hold the rest."""

from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from app.core.logging import log
from app.data.conditions.language import Condition
from app.data.conditions.syntax import Wrong
from app.decisions.placements import conditions
from app.decisions.rules import vector
from app.serving.snapshot.rules.item_facts import ItemFacts

if TYPE_CHECKING:
    from app.serving.snapshot.catalogue import Bools, Catalogue, Ints

_NO_LIST = np.zeros(0, np.int64)
_MOST_HELD = 256


def met(catalogue: "Catalogue", written: Any) -> "Bools | None":
    """Return the items that meet a condition; None for one that hangs on more than them, which rules hold."""
    spelled = written if isinstance(written, str) else orjson.dumps(written).decode()
    if spelled not in catalogue.held:
        if len(catalogue.held) >= _MOST_HELD:  # drafts are tried too
            catalogue.held.clear()
        found = readable(written)
        catalogue.held[spelled] = _holds(found, catalogue, _NO_LIST, 0.0) if found is not None and conditions.settled(found) else None
    return catalogue.held[spelled]


def counted(catalogue: "Catalogue", written: Any, popular: "Ints", now: float) -> "Bools | None":
    """Return the items that meet a condition at a moment; None for one that hangs on somebody, on the moment or on a request."""
    found = readable(written)
    return _holds(found, catalogue, popular, now) if found is not None and conditions.of_items_alone(found) else None


def readable(written: Any) -> Condition | None:
    """Return a condition of a published filter; None for an empty one, and for one of another release that cannot be read."""
    try:
        return conditions.read(written, conditions.facts_of())
    except Wrong as wrong:
        log.warning("filter.unusable", error=str(wrong))
        return None


def _holds(found: Condition, catalogue: "Catalogue", popular: "Ints", now: float) -> "Bools":
    return vector.holds(found.node, found.facts, ItemFacts(catalogue, popular, now))
