"""Training of `ease` (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019), dense or by neighbourhoods."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from threadpoolctl import threadpool_limits

from app.ml.contract import Floats
from app.ml.interactions import Interactions
from app.ml.recommenders.base import SPARSE_ABOVE
from app.ml.recommenders.neighbours import Dense, Sparse, best, gram_blocks, matrix
from app.ml.recommenders.popular.fit import shares
from app.ml.recommenders.weighting import INTEREST, Weighting


@dataclass(frozen=True)
class Ease:
    """Configuration: weights of entries in training and in scoring, ridge penalty, popularity (half-life in days, power).

    Above `dense_rows` rows each row is explained by its `regressors` most similar rows only, and speaks for at most
    `neighbours` rows.
    """

    training: Weighting = field(default_factory=lambda: Weighting(INTEREST, 90.0))
    scoring: Weighting = field(default_factory=lambda: Weighting(INTEREST, 120.0))
    penalty: float = 60.0
    popularity_half_life_days: float = 14.0
    popularity_power: float = 0.25
    regressors: int = 64
    neighbours: int = 200
    longest: int = 500
    dense_rows: int = SPARSE_ABOVE

    def fit(self, data: Interactions, rng: np.random.Generator) -> Dense | Sparse:
        """Solve the ridge regressions; nothing is random."""
        people_rows = matrix(data, self.training, self.longest)
        share = shares(data, self.popularity_half_life_days, self.training.kind_weights) ** np.float32(self.popularity_power)
        if data.rows <= min(self.dense_rows, SPARSE_ABOVE):
            return Dense(_dense(people_rows, self.penalty) * share, self.scoring)
        with threadpool_limits(1, "blas"):  # threads cost more than they give on systems this small
            index, weight = _by_neighbourhood(people_rows, self.penalty, self.regressors, self.neighbours)
        return Sparse(index, weight * share[index], self.scoring)


def _dense(people_rows: Any, penalty: float) -> Floats:
    """Return the closed form -P / diag(P), P = (X'X + penalty I)^-1, with a diagonal of 0."""
    gram = (people_rows.T @ people_rows).toarray().astype(np.float32)
    gram[np.diag_indices_from(gram)] += np.float32(penalty)
    factor, failed = lapack.spotrf(np.asfortranarray(gram), lower=1, overwrite_a=1)
    inverse, broken = lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed or broken:
        raise ValueError("the penalty is too small for this data: the matrix cannot be inverted")
    # only the lower triangle is filled, the upper holds zeros
    weight = np.ascontiguousarray(inverse + inverse.T, np.float32)
    weight /= -np.diag(inverse)
    weight[np.diag_indices_from(weight)] = 0
    return weight


def _by_neighbourhood(people_rows: Any, penalty: float, regressors: int, neighbours: int) -> tuple[NDArray[np.int32], Floats]:
    """Regress each row on its most similar rows (Ning and Karypis, "SLIM", ICDM 2011, with a ridge penalty).

    Returns, for each row i, the rows that i speaks for and how much, at most `neighbours` of them.
    """
    size = people_rows.shape[1]
    columns = people_rows.tocsc()
    length = np.sqrt(np.asarray(people_rows.multiply(people_rows).sum(0), np.float32).ravel()) + np.float32(1e-9)
    targets, sources, weights = [], [], []
    for first, block in gram_blocks(people_rows):
        similar, _ = best(block / length[None], regressors)
        for offset, candidates in enumerate(similar):
            row = first + offset
            chosen = np.unique(candidates[block[offset, candidates] > 0])
            if not len(chosen):
                continue
            near = columns[:, chosen]
            local = (near.T @ near).toarray().astype(np.float64)
            local[np.diag_indices_from(local)] += penalty
            sources.append(chosen)
            weights.append(np.linalg.solve(local, block[offset, chosen]))
            targets.append(np.full(len(chosen), row))
    return _strongest(size, neighbours, targets, sources, weights)


def _strongest(size: int, neighbours: int, targets: Any, sources: Any, weights: Any) -> tuple[NDArray[np.int32], Floats]:
    """Turn (source, target, weight) into index and weight [N,T], the strongest of each source first."""
    index = np.zeros((size, neighbours), np.int32)
    weight = np.zeros((size, neighbours), np.float32)
    if not targets:
        return index, weight
    target, source, value = np.concatenate(targets), np.concatenate(sources), np.concatenate(weights)
    order = np.lexsort((-np.abs(value), source))
    target, source, value = target[order], source[order], value[order]
    place = np.arange(len(source)) - np.searchsorted(source, source)
    kept = place < neighbours
    index[source[kept], place[kept]] = target[kept]
    weight[source[kept], place[kept]] = value[kept]
    return index, weight
