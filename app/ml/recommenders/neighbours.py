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
    """`weight` float32[N,N]: how much row i speaks for row j; of a history the `entries` that count most are read, 0 for all."""

    weight: Floats
    weighting: Weighting
    entries: int = 0

    def score(self, batch: Batch) -> Floats:
        """Return the sum of the weights of each history, float32[B,N]."""
        return np.asarray(_strengths(batch, self.weighting, self.entries, len(self.weight)) @ self.weight, np.float32)

    def body(self, g: Graph) -> str:
        """Add the nodes: gather the rows of the history, then one small product a person."""
        strength, rows = _read_body(g, self.weighting, self.entries)
        weights = g.op("Gather", g.constant(self.weight, "neighbours"), rows, axis=0)
        return str(g.op("Squeeze", g.op("MatMul", g.op("Unsqueeze", strength, g.ints(1)), weights), g.ints(1)))


@dataclass(frozen=True)
class Sparse:
    """`index` int32[N,T] and `weight` float32[N,T]: the T rows that row i speaks for most (weight 0 where there are fewer).

    Of a history the `entries` that count most are read, 0 for all.
    """

    index: NDArray[np.int32]
    weight: Floats
    weighting: Weighting
    entries: int = 0

    def score(self, batch: Batch) -> Floats:
        """Return the sum of the weights of each history, float32[B,N]."""
        return np.asarray((_strengths(batch, self.weighting, self.entries, len(self.index)) @ self._matrix).toarray(), np.float32)

    @cached_property
    def _matrix(self) -> Any:
        rows = len(self.index)
        start = np.arange(rows + 1) * self.index.shape[1]
        return sp.csr_matrix((self.weight.ravel(), self.index.ravel(), start), shape=(rows, rows))

    def body(self, g: Graph) -> str:
        """Add the nodes: gather T neighbours of each row of the history and add them up."""
        flat = g.ints(0, -1)
        strength, rows = _read_body(g, self.weighting, self.entries)
        index = g.op("Gather", g.constant(self.index, "index"), rows, axis=0)
        weight = g.op("Gather", g.constant(self.weight, "neighbours"), rows, axis=0)
        weight = g.op("Mul", weight, g.op("Unsqueeze", strength, g.ints(2)))
        zeros = zeros_body(g, len(self.index))
        flat_index, flat_weight = g.op("Reshape", index, flat), g.op("Reshape", weight, flat)
        return str(g.op("ScatterElements", zeros, flat_index, flat_weight, axis=1, reduction="add"))


def _strengths(batch: Batch, weighting: Weighting, entries: int, rows: int) -> Any:
    """Return how much each row of each history counts (scipy CSR, float32[B,N])."""
    strength, history = weighting.of(batch), batch.history
    if entries and entries < strength.shape[1]:
        read = np.argsort(-strength, axis=1, kind="stable")[:, :entries]
        strength, history = np.take_along_axis(strength, read, 1), np.take_along_axis(history, read, 1)
    person, entry = np.nonzero(history >= 0)
    shape = (len(history), rows)
    return sp.csr_matrix((strength[person, entry], (person, history[person, entry])), shape=shape, dtype=np.float32)


def _read_body(g: Graph, weighting: Weighting, entries: int) -> tuple[str, str]:
    """Add how much the entries count that are read, and their rows, float32 and int64[B,L] or [B,entries]."""
    strength, rows = weighting.body(g), rows_body(g)
    if not entries:
        return strength, rows
    length = g.op("Shape", rows, start=1, end=2)
    best, place = g.op("TopK", strength, g.op("Min", length, g.ints(entries)), outputs=2, axis=1, largest=1, sorted=1)
    return best, g.op("GatherElements", rows, place, axis=1)


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
