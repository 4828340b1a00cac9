"""Training of `buy_again`: how much a row's present popularity speaks for buying it again."""

from dataclasses import dataclass, field

import numpy as np

from app.ml.contract import Batch, Floats
from app.ml.graph.builder import Graph
from app.ml.interactions import Interactions
from app.ml.recommenders.buy_again import graph
from app.ml.recommenders.popular.fit import shares
from app.ml.recommenders.weighting import PURCHASES, Weighting


@dataclass(frozen=True)
class BuyAgain:
    """Configuration: the weight of an own row, times its popularity (with a half-life in days) to a power."""

    weighting: Weighting = field(default_factory=lambda: Weighting(PURCHASES, 180.0, 1.25, 0.1))
    popularity_half_life_days: float = 14.0
    popularity_power: float = 0.5

    def fit(self, data: Interactions, rng: np.random.Generator) -> "BuyAgainModel":
        """Count; nothing is random."""
        share = shares(data, self.popularity_half_life_days, self.weighting.kind_weights)
        return BuyAgainModel(share ** np.float32(self.popularity_power), self.weighting)


@dataclass(frozen=True)
class BuyAgainModel:
    """`factor` float32[N] that multiplies the weight of an own row."""

    factor: Floats
    weighting: Weighting

    def score(self, batch: Batch) -> Floats:
        """Return scores above 0 for own rows and 0 elsewhere."""
        out = np.zeros((len(batch.history), len(self.factor)), np.float32)
        person = np.arange(len(out))[:, None]
        np.add.at(out, (person, np.maximum(batch.history, 0)), self.weighting.of(batch))
        return out * self.factor

    def body(self, g: Graph) -> str:
        """Add the nodes."""
        return graph.body(g, self.factor, self.weighting)
