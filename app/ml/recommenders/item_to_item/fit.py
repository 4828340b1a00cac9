"""Training of `item_to_item`: cosine similarity of rows over people, shrunk where few people stand behind it."""

from dataclasses import dataclass, field

import numpy as np

from app.ml.interactions import Interactions
from app.ml.recommenders.neighbours import Sparse, best, gram_blocks, matrix
from app.ml.recommenders.weighting import INTEREST, Weighting


@dataclass(frozen=True)
class ItemToItem:
    """Configuration: weights of entries in training and in scoring, shrinkage, neighbours kept a row, entries read a person."""

    training: Weighting = field(default_factory=lambda: Weighting(INTEREST, 365.0))
    scoring: Weighting = field(default_factory=lambda: Weighting(INTEREST, 90.0))
    shrinkage: float = 1.0
    neighbours: int = 200
    longest: int = 500

    def fit(self, data: Interactions, rng: np.random.Generator) -> Sparse:
        """Find the nearest rows of each row; nothing is random, memory is bounded by blocks of rows."""
        people_rows = matrix(data, self.training, self.longest)
        length = np.sqrt(np.asarray(people_rows.multiply(people_rows).sum(0), np.float32).ravel())
        parts = []
        for first, block in gram_blocks(people_rows):
            block /= length[first : first + len(block), None] * length[None] + np.float32(self.shrinkage)
            parts.append(best(block, self.neighbours))
        index, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Sparse(index, weight, self.scoring)
