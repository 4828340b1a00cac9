"""Training of `item_to_item`: cosine similarity of rows over people, shrunk where few people stand behind it."""

from dataclasses import dataclass, field

import numpy as np

from app.ml.interactions import Interactions
from app.ml.recommenders.base import SPARSE_ABOVE
from app.ml.recommenders.neighbours import Dense, Sparse, best, gram_blocks, matrix
from app.ml.recommenders.weighting import INTEREST, Weighting


@dataclass(frozen=True)
class ItemToItem:
    """Configuration: weights of entries in training and in scoring, shrinkage, entries read a person.

    Above `dense_rows` rows each row keeps its `neighbours` nearest.
    """

    training: Weighting = field(default_factory=lambda: Weighting(INTEREST, 365.0))
    scoring: Weighting = field(default_factory=lambda: Weighting(INTEREST, 90.0))
    shrinkage: float = 20.0
    neighbours: int = 200
    longest: int = 500
    dense_rows: int = SPARSE_ABOVE

    def fit(self, data: Interactions, rng: np.random.Generator) -> Dense | Sparse:
        """Find the nearest rows of each row; nothing is random, memory is bounded by blocks of rows."""
        people_rows = matrix(data, self.training, self.longest)
        length = np.sqrt(np.asarray(people_rows.multiply(people_rows).sum(0), np.float32).ravel())
        dense = data.rows <= min(self.dense_rows, SPARSE_ABOVE)
        weight = np.zeros((data.rows, data.rows if dense else min(self.neighbours, data.rows)), np.float32)
        index = np.zeros((0 if dense else data.rows, weight.shape[1]), np.int32)
        for first, block in gram_blocks(people_rows):
            last = first + len(block)
            block /= length[first:last, None] * length[None] + np.float32(max(self.shrinkage, 1e-9))
            if dense:
                weight[first:last] = block
            else:
                index[first:last], weight[first:last] = best(block, self.neighbours)
        return Dense(weight, self.scoring) if dense else Sparse(index, weight, self.scoring)
