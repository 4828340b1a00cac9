"""Item-to-item weights, dense or with the best neighbours of each row: how histories turn into scores."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from app.ml.contract import Batch, Floats
from app.ml.graph.builder import Graph
from app.ml.interactions import Histories, Interactions
from app.ml.recommenders.weighting import Weighting, rows_body, zeros_body

_BLOCK = 512


@dataclass(frozen=True)
class Dense:
    """`weight` float32[N,N]: how much row i speaks for row j."""

    weight: Floats
    weighting: Weighting

    def score(self, batch: Batch) -> Floats:
        """Return the sum of the weights of each history, float32[B,N]."""
        return np.asarray(_strengths(batch, self.weighting, len(self.weight)) @ self.weight, np.float32)

    def body(self, g: Graph) -> str:
        """Add the nodes: gather the rows of the history, then one small product a person."""
        strength = g.op("Unsqueeze", self.weighting.body(g), g.ints(1))
        rows = g.op("Gather", g.constant(self.weight, "neighbours"), rows_body(g), axis=0)
        return str(g.op("Squeeze", g.op("MatMul", strength, rows), g.ints(1)))


@dataclass(frozen=True)
class Sparse:
    """`index` int32[N,T] and `weight` float32[N,T]: the T rows that row i speaks for most (weight 0 where there are fewer)."""

    index: NDArray[np.int32]
    weight: Floats
    weighting: Weighting

    def score(self, batch: Batch) -> Floats:
        """Return the sum of the weights of each history, float32[B,N]."""
        return np.asarray((_strengths(batch, self.weighting, len(self.index)) @ self._matrix).toarray(), np.float32)

    @cached_property
    def _matrix(self) -> Any:
        rows = len(self.index)
        start = np.arange(rows + 1) * self.index.shape[1]
        return sp.csr_matrix((self.weight.ravel(), self.index.ravel(), start), shape=(rows, rows))

    def body(self, g: Graph) -> str:
        """Add the nodes: gather T neighbours of each row of the history and add them up."""
        flat = g.ints(0, -1)
        index = g.op("Gather", g.constant(self.index, "index"), rows_body(g), axis=0)
        weight = g.op("Gather", g.constant(self.weight, "neighbours"), rows_body(g), axis=0)
        weight = g.op("Mul", weight, g.op("Unsqueeze", self.weighting.body(g), g.ints(2)))
        zeros = zeros_body(g, len(self.index))
        flat_index, flat_weight = g.op("Reshape", index, flat), g.op("Reshape", weight, flat)
        return str(g.op("ScatterElements", zeros, flat_index, flat_weight, axis=1, reduction="add"))


def _strengths(batch: Batch, weighting: Weighting, rows: int) -> Any:
    """Return how much each row of each history counts (scipy CSR, float32[B,N])."""
    person, entry = np.nonzero(batch.history >= 0)
    strength = weighting.of(batch)[person, entry]
    return sp.csr_matrix((strength, (person, batch.history[person, entry])), shape=(len(batch.history), rows), dtype=np.float32)


def matrix(data: Interactions, weighting: Weighting, longest: int) -> Any:
    """Return the people x rows matrix (scipy CSR, float32) of the newest `longest` entries of each history."""
    entries: Histories = data.histories
    back = np.arange(len(entries.row)) - entries.start[entries.person + 1]
    weight = weighting.weigh(entries.kind, entries.age, entries.times, entries.amount, entries.place)
    kept = (back >= -longest) & (weight > 0)
    shape = (data.people, data.rows)
    return sp.csr_matrix((weight[kept], (entries.person[kept], entries.row[kept])), shape=shape, dtype=np.float32)


def gram_blocks(people_rows: Any) -> Iterator[tuple[int, Floats]]:
    """Yield (first row, float32[block,N]) of X'X with a diagonal of 0, a few hundred rows at a time."""
    columns = people_rows.tocsc()
    for first in range(0, people_rows.shape[1], _BLOCK):
        block = (columns[:, first : first + _BLOCK].T @ people_rows).toarray()
        block[np.arange(len(block)), first + np.arange(len(block))] = 0
        yield first, block


def best(scores: Floats, count: int) -> tuple[NDArray[np.int32], Floats]:
    """Return index and value of the `count` largest above 0 in each line; 0 and 0 fill up."""
    count = min(count, scores.shape[1])
    index = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    value = np.take_along_axis(scores, index, 1)
    return np.where(value > 0, index, 0).astype(np.int32), np.maximum(value, 0).astype(np.float32)
