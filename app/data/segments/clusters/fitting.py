"""From what people are in some facts to clusters that are named, described, and keep their labels. Pure."""

from collections.abc import Sequence
from itertools import count

import numpy as np
from numpy.typing import NDArray

from app.data.segments.clusters import kmeans
from app.data.segments.clusters.domain import Cluster, Model, Moved, Scale, Tried, described
from app.data.segments.clusters.kmeans import Floats

LEAST = 20
"""People without whom no clusters are made."""
_CAPS = (1.0, 99.0)
_SKEWED = 1.0
_TO_CHOOSE = 5_000


def scale(values: Floats) -> Scale:
    """Return how a feature with these values, NaN for unknown, becomes comparable: cut off at the 1st and 99th percentile, by
    logarithm where the values are skewed and none is below zero, then less the mean and over the standard deviation.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return Scale(low=0.0, high=0.0, log=False, mean=0.0, spread=1.0, median=0.0, missing=1.0)
    low, high = (float(one) for one in np.percentile(known, _CAPS))
    if low == high:
        low, high = float(known.min()), float(known.max())
    capped = np.clip(known, low, high)
    spread = float(capped.std())
    skew = float(((capped - capped.mean()) ** 3).mean()) / spread**3 if spread > 1e-12 else 0.0
    found = Scale(
        low=low, high=high, log=low >= 0 and skew > _SKEWED, mean=0.0, spread=1.0, median=float(np.median(capped)),
        missing=1 - len(known) / len(values),
    )  # fmt: skip
    filled = _placed(values, found)
    spread = float(filled.std())
    return found.model_copy(update={"mean": float(filled.mean()), "spread": spread if spread > 1e-12 else 1.0})


def scaled(values: Floats, scales: Sequence[Scale]) -> Floats:
    """Return people (n, d) as distances between them are measured in."""
    return np.column_stack([_placed(values[:, at], one) for at, one in enumerate(scales)])


def _placed(values: Floats, by: Scale) -> Floats:
    capped = np.where(np.isnan(values), by.median, np.clip(values, by.low, by.high))
    return ((np.log1p(capped) if by.log else capped) - by.mean) / by.spread


def found(
    values: Floats, features: Sequence[str], words: Sequence[str], k: int | None, before: Model | None = None, *, anew: bool = False
) -> Model:
    """Return the clusters of people (n, d), NaN for unknown; few people give none.

    After an earlier fit of the same features labels go to those most like the ones before, and there are as many, unless `anew`.
    """
    values = values[~np.isnan(values).all(axis=1)] if len(values) else values
    if len(values) < LEAST:
        return Model(features=list(features), scales=[], clusters=[], silhouette=0.0, sampled=len(values))
    scales = [scale(values[:, at]) for at in range(values.shape[1])]
    points, tried = scaled(values, scales), []
    old = _moved(before, scales) if before is not None and before.features == list(features) and before.clusters else None
    if k is None and old is not None and not anew:
        k, tried = len(old), before.tried if before is not None else []
    elif k is None:
        some = np.random.default_rng(0).permutation(len(points))[:_TO_CHOOSE]
        k, attempts = kmeans.choose(points[some])
        tried = [Tried(**one._asdict()) for one in attempts]
    fit = kmeans.fit(points, k, begin=old)
    labels = _labels(fit, old, [one.label for one in before.clusters] if old is not None and before is not None else [])
    people = np.bincount(fit.cluster, minlength=len(fit.centroids)).tolist()
    clusters = [
        Cluster(label=label, centroid=centroid, people=count, sentence=described(centroid, scales, words))
        for label, centroid, count in sorted(zip(labels, fit.centroids.tolist(), people, strict=True))
    ]
    moves = _moves(before, values, np.array(labels)[fit.cluster]) if old is not None and before is not None else None
    return Model(
        features=list(features), scales=scales, clusters=clusters, silhouette=kmeans.silhouette(points, fit.cluster),
        sampled=len(values), tried=tried, moved=moves,
    )  # fmt: skip


def _moves(before: Model, values: Floats, now: NDArray[np.int64]) -> list[Moved]:
    """Return how many people are in another cluster than an earlier fit puts them into, the most first."""
    centroids = np.array([one.centroid for one in before.clusters])
    nearest = kmeans.nearest(scaled(values, before.scales), centroids)
    were = np.array([one.label for one in before.clusters])[nearest]
    pairs, counts = np.unique(np.column_stack([were, now])[were != now], axis=0, return_counts=True)
    moves = [Moved(before=old, now=new, people=many) for (old, new), many in zip(pairs.tolist(), counts.tolist(), strict=True)]
    return sorted(moves, key=lambda one: -one.people)


def _moved(before: Model, scales: Sequence[Scale]) -> Floats:
    """Return the centroids of an earlier fit on the scales of today."""
    return np.array(
        [
            [scale.scaled(old.raw(place)) for place, old, scale in zip(one.centroid, before.scales, scales, strict=True)]
            for one in before.clusters
        ]
    )


def _labels(fit: kmeans.Fit, old: NDArray[np.float64] | None, were: Sequence[int]) -> list[int]:
    """Return the label of each centroid: that of the one before it takes after, else the next free number, the largest cluster first."""
    pairs = kmeans.matched(old, fit.centroids) if old is not None else [None] * len(fit.centroids)
    labels = [0 if pair is None else were[pair] for pair in pairs]
    free = (number for number in count(1) if number not in were)
    sizes = np.bincount(fit.cluster, minlength=len(fit.centroids))
    for at in sorted(range(len(labels)), key=lambda one: -sizes[one]):
        labels[at] = labels[at] or next(free)
    return labels
