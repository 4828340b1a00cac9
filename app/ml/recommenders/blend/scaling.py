"""How scores of several members become one, in numpy."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from app.ml.contract import Batch, Floats, Ints
from app.ml.recommenders.base import Fitted

TINY = np.float32(1e-20)
"""Least divisor: a member that knows nothing adds 0."""


def is_probability(model: Fitted) -> bool:
    """Tell whether scores of a model can be compared between people as they are."""
    return bool(getattr(model, "probability", False))


def scaled(model: Fitted, batch: Batch) -> Floats:
    """Return scores with the best of each person at 1, or probabilities as they are; a member that knows nothing stays at 0."""
    score = model.score(batch)
    return score if is_probability(model) else np.asarray(score / np.maximum(score.max(1, keepdims=True), TINY), np.float32)


def combined(history: Ints, scored: Iterable[tuple[Floats, bool, float]], own_share: float) -> Floats:
    """Return float32[B,N]: (scaled score, of own rows, weight) of each member added up; `own_share` of others' scores stays on own rows."""
    total: Any = np.float32(0)
    extra: Any = np.float32(0)
    for score, own, weight in scored:
        if own:
            extra = extra + score * np.float32(weight)
        else:
            total = total + score * np.float32(weight)
    if own_share != 1 and np.ndim(total):
        person, entry = np.nonzero(history >= 0)
        total[person, history[person, entry]] *= np.float32(own_share)
    return np.asarray(total + extra, np.float32)
