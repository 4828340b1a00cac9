"""Training of `transitions`: windowed counts of what followed what, a first-order Markov chain over the moments of a history.

Counts within a window fade with the distance (as in "skip-gram" counting of sessions: Ludewig and Jannach, "Evaluation of
session-based recommendation algorithms", UMUAI 2018) and are divided by powers of how often both rows occur.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from app.ml.contract import Floats
from app.ml.interactions import Interactions
from app.ml.recommenders.base import SPARSE_ABOVE
from app.ml.recommenders.neighbours import Dense, Sparse, best
from app.ml.recommenders.weighting import INTEREST, NEVER, Weighting

_BLOCK = 512
_TINY = 1e-9


@dataclass(frozen=True)
class Transitions:
    """Configuration: how long what followed counts, how far apart two moments may be, how entries count in scoring, and how many are read.

    A pair `d` moments apart counts d^-distance_power times the weight of the kind that followed. Above `dense_rows` rows each row speaks
    for at most `neighbours` rows.
    """

    training: Weighting = field(default_factory=lambda: Weighting(INTEREST, 365.0))
    scoring: Weighting = field(default_factory=lambda: Weighting(INTEREST, NEVER, half_life_places=2.0))
    window: int = 10
    distance_power: float = 0.8
    from_power: float = 0.7
    to_power: float = 0.2
    entries: int = 32
    neighbours: int = 200
    dense_rows: int = SPARSE_ABOVE

    def fit(self, data: Interactions, rng: np.random.Generator) -> Dense | Sparse:
        """Count; nothing is random, memory is bounded by the pairs that occur."""
        counts = _counts(data, self.training, self.window, self.distance_power)
        first = np.maximum(np.asarray(counts.sum(1), np.float64).ravel(), _TINY) ** -self.from_power
        second = np.maximum(np.asarray(counts.sum(0), np.float64).ravel(), _TINY) ** -self.to_power
        counts = sp.diags(first) @ counts @ sp.diags(second)
        if data.rows <= min(self.dense_rows, SPARSE_ABOVE):
            return Dense(counts.toarray().astype(np.float32), self.scoring, self.entries)
        parts = [best(block, self.neighbours) for block in _blocks(counts.tocsr())]
        index, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Sparse(index, weight, self.scoring, self.entries)


def _blocks(counts: Any) -> Iterator[Floats]:
    for first in range(0, counts.shape[0], _BLOCK):
        yield counts[first : first + _BLOCK].toarray().astype(np.float32)


def _counts(data: Interactions, weighting: Weighting, window: int, power: float) -> Any:
    """Return N x N (scipy CSR) of how much row j came after row i."""
    person, moment, row, weight = _moments(data, weighting)
    lines = np.bincount(moment)
    shape = (len(lines), data.rows)
    # the lines of one order share what a moment counts, so that large baskets do not outweigh the rest
    share = 1 / np.sqrt(np.maximum(lines, 1))[moment]
    before = sp.csr_matrix((share, (moment, row)), shape=shape)
    after = sp.csr_matrix((share * weight, (moment, row)), shape=shape)
    total = sp.csr_matrix((data.rows, data.rows))
    for apart in range(1, window + 1):
        same = np.flatnonzero(person[apart:] == person[:-apart])
        if not len(same):
            break
        total = total + (before[same].T @ after[same + apart]) * float(apart) ** -power
    total.setdiag(0)
    total.eliminate_zeros()
    return total


def _moments(data: Interactions, weighting: Weighting) -> tuple[Any, Any, Any, Any]:
    """Return the person of each moment, and moment, row and weight of what happened then, oldest first; going on at one row is no step."""
    counted = np.asarray(weighting.kind_weights)[data.kind] > 0
    person, row, age = data.person[counted], data.row[counted], data.age[counted]
    weight = weighting.weigh(data.kind[counted].astype(np.int64), age, np.ones_like(age), np.ones_like(age))
    order = np.lexsort((row, -age, person))
    person, row, age, weight = person[order], row[order], age[order], weight[order]
    going_on = np.zeros(len(row), bool)
    going_on[1:] = (person[1:] == person[:-1]) & (row[1:] == row[:-1])
    begins = np.flatnonzero(~going_on)
    weight = np.maximum.reduceat(weight, begins) if len(begins) else weight
    person, row, age = person[begins], row[begins], age[begins]
    new = np.ones(len(row), bool)
    new[1:] = (person[1:] != person[:-1]) | (age[1:] != age[:-1])
    return person[new], np.cumsum(new) - 1, row, weight
