"""Ranking metrics at k as pure functions.

Every function takes `hits` bool[P,k] (whether the item at each place of a person's list is relevant; empty places are
False; k at least 1) and `relevant` int[P] (how many items are relevant to the person, at least 1), and returns
float64[P], one value a person. The figure reported is the mean.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Hits = NDArray[np.bool_]
Counts = NDArray[np.int64]
Values = NDArray[np.float64]


def precision(hits: Hits, relevant: Counts) -> Values:
    """Share of the k places that hold a relevant item; empty places count as misses."""
    return np.asarray(hits.mean(1))


def recall(hits: Hits, relevant: Counts) -> Values:
    """Share of all relevant items that are in the list; with more than k of them it cannot reach 1."""
    return np.asarray(hits.sum(1) / relevant)


def ndcg(hits: Hits, relevant: Counts) -> Values:
    """Gain 1 / log2(place + 1), divided by that of the ideal list cut at k, which has min(k, relevant) hits."""
    gain = 1 / np.log2(np.arange(2, hits.shape[1] + 2))
    ideal = np.concatenate([[0], np.cumsum(gain)])[np.minimum(hits.shape[1], relevant)]
    return np.asarray((hits * gain).sum(1) / ideal)


def average_precision(hits: Hits, relevant: Counts) -> Values:
    """Sum of the precision at each hit, divided by min(k, relevant)."""
    places = np.arange(1, hits.shape[1] + 1)
    return np.asarray((hits * np.cumsum(hits, 1) / places).sum(1) / np.minimum(hits.shape[1], relevant))


def reciprocal_rank(hits: Hits, relevant: Counts) -> Values:
    """1 / place of the first hit; 0 without one."""
    return np.where(hits.any(1), 1 / (hits.argmax(1) + 1), 0.0)


METRICS: dict[str, Callable[[Hits, Counts], Values]] = {
    "precision": precision,
    "recall": recall,
    "ndcg": ndcg,
    "map": average_precision,
    "mrr": reciprocal_rank,
}


def summary(hits: Hits, relevant: Counts) -> dict[str, float]:
    """Return the mean of every metric, named `metric@k`; empty without people."""
    if not len(relevant):
        return {}
    return {f"{name}@{hits.shape[1]}": round(float(metric(hits, relevant).mean()), 6) for name, metric in METRICS.items()}


def coverage(shown: NDArray[np.int64], rows: int) -> float:
    """Share of N rows that stand in at least one list; `shown` holds rows, -1 for empty places."""
    return len(np.unique(shown[shown >= 0])) / rows if rows else 0.0
