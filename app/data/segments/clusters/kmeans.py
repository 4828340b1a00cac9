"""K-means, how well it parts people, how many clusters there should be, and which cluster is which after a refit. Pure.

Lloyd's algorithm from k-means++ starts (Arthur and Vassilvitskii, 2007); the silhouette of Rousseeuw (1987).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MOST_K = 10
STARTS = 10
_MOST_TURNS, _STILL = 300, 1e-9
_SAMPLE = 2_000
_AS_GOOD = 0.02
"""Silhouettes that differ by less say the same; then the elbow decides."""


class Fit(NamedTuple):
    """Centroids (k, d), the cluster of each of n points, and the sum of squared distances to their centroids."""

    centroids: Floats
    cluster: NDArray[np.int64]
    inertia: float


class Tried(NamedTuple):
    """A number of clusters that was tried."""

    k: int
    inertia: float
    silhouette: float


def fit(points: Floats, k: int, seed: int = 0, begin: Floats | None = None, starts: int = STARTS) -> Fit:
    """Part n points (n, d) into at most k clusters, fewer where there are fewer different points.

    The best of several starts is taken; one that begins at `begin` wins where it is as good, so that a refit moves little.
    """
    random = np.random.default_rng(seed)
    found = min((_lloyd(points, _plus_plus(points, k, random)) for _ in range(starts)), key=lambda one: one.inertia)
    if begin is not None and len(begin) == k:
        again = _lloyd(points, begin.copy())
        if again.inertia <= found.inertia * 1.01:
            return again
    return found


def _plus_plus(points: Floats, k: int, random: np.random.Generator) -> Floats:
    """Return centroids to begin with: each next one is a point taken by its squared distance to those before."""
    chosen = [points[random.integers(len(points))]]
    near = _squares(points, np.array(chosen))[:, 0]
    while len(chosen) < k and (total := float(near.sum())) > _STILL:
        # the best of a few, as scikit-learn takes it
        some = np.searchsorted(np.cumsum(near), random.random(2 + int(np.log(k))) * total).clip(0, len(points) - 1)
        closer = np.minimum(near[:, None], _squares(points, points[some]))
        best = int(closer.sum(axis=0).argmin())
        chosen.append(points[some[best]])
        near = closer[:, best]
    return np.array(chosen)


def _lloyd(points: Floats, centroids: Floats) -> Fit:
    cluster = np.full(len(points), -1)
    for _ in range(_MOST_TURNS):
        far = _squares(points, centroids)
        now = far.argmin(axis=1)
        if (now == cluster).all():
            break
        cluster = now
        counts = np.bincount(cluster, minlength=len(centroids))
        for axis in range(points.shape[1]):
            sums = np.bincount(cluster, points[:, axis], len(centroids))
            centroids[:, axis] = np.where(counts > 0, sums / np.maximum(counts, 1), centroids[:, axis])
        for empty in np.flatnonzero(counts == 0):
            centroids[empty] = points[far.min(axis=1).argmax()]
    far = _squares(points, centroids)
    cluster = far.argmin(axis=1)
    return Fit(centroids, cluster, float(far[np.arange(len(points)), cluster].sum()))


def _squares(points: Floats, centroids: Floats) -> Floats:
    found: Floats = (points * points).sum(axis=1)[:, None] - 2 * points @ centroids.T + (centroids * centroids).sum(axis=1)
    return found.clip(0.0)


def nearest(points: Floats, centroids: Floats) -> NDArray[np.int64]:
    """Return for each point which centroid is nearest."""
    found: NDArray[np.int64] = _squares(points, centroids).argmin(axis=1)
    return found


def silhouette(points: Floats, cluster: NDArray[np.int64], most: int = _SAMPLE, seed: int = 0) -> float:
    """Return how much nearer points are to their own cluster than to the next, -1 to 1, of at most so many; 0 for one cluster.

    A point that is alone in its cluster counts 0.
    """
    if len(points) > most:
        some = np.random.default_rng(seed).choice(len(points), most, replace=False)
        points, cluster = points[some], cluster[some]
    names, own = np.unique(cluster, return_inverse=True)
    if len(names) < 2:
        return 0.0
    member = (own[:, None] == np.arange(len(names))).astype(np.float64)
    counts = member.sum(axis=0)
    sums = np.empty_like(member)
    for first in range(0, len(points), 500):
        sums[first : first + 500] = np.sqrt(_squares(points[first : first + 500], points)) @ member
    rows = np.arange(len(points))
    inside = sums[rows, own] / np.maximum(counts[own] - 1, 1)
    others = sums / counts
    others[rows, own] = np.inf
    outside = others.min(axis=1)
    widths = (outside - inside) / np.maximum(np.maximum(inside, outside), _STILL)
    return float(np.where(counts[own] > 1, widths, 0.0).mean())


def choose(points: Floats, seed: int = 0) -> tuple[int, list[Tried]]:
    """Return how many clusters there should be, of 2 to 10, and what was tried.

    It is the number of the best silhouette; among those as good, the one nearest to the elbow: the number at which the sum of squares
    lies farthest below the line from the first to the last.
    """
    tried = []
    for k in range(2, min(MOST_K, len(np.unique(points, axis=0))) + 1):
        found = fit(points, k, seed)
        tried.append(Tried(k, found.inertia, silhouette(points, found.cluster)))
    if not tried:
        return 1, []
    best = max(one.silhouette for one in tried)
    bend = elbow(tried)
    good = [one.k for one in tried if one.silhouette >= best - _AS_GOOD]
    return min(good, key=lambda k: (abs(k - bend), k)), tried


def elbow(tried: Sequence[Tried]) -> int:
    """Return the number of clusters at which more of them stop to help much."""
    first, last = tried[0], tried[-1]
    span, drop = max(last.k - first.k, 1), max(first.inertia - last.inertia, _STILL)
    return max(tried, key=lambda one: (first.inertia - one.inertia) / drop - (one.k - first.k) / span).k


def matched(before: Floats, now: Floats) -> list[int | None]:
    """Return, for each of the new centroids, which of those before it takes after: the pairing of the least sum of squares.

    Where there are more new ones, some get None. At most ten each, so all pairings are gone through, set by set.
    """
    cost = _squares(now, before)
    spare = max(len(now) - len(before), 0)
    best: dict[int, tuple[float, tuple[int | None, ...]]] = {0: (0.0, ())}
    for one in range(len(now)):
        after: dict[int, tuple[float, tuple[int | None, ...]]] = {}
        for taken, (sum_, pairs) in best.items():
            options: list[int | None] = [old for old in range(len(before)) if not taken >> old & 1]
            if pairs.count(None) < spare:
                options.append(None)
            for old in options:
                key = taken if old is None else taken | 1 << old
                total = sum_ if old is None else sum_ + float(cost[one, old])
                if key not in after or total < after[key][0]:
                    after[key] = total, (*pairs, old)
        best = after
    return list(min(best.values(), key=lambda one: one[0])[1])
