"""Training of `popular`: decayed counts of events."""

from dataclasses import dataclass

import numpy as np

from app.ml.contract import Batch, Floats
from app.ml.graph.builder import Graph
from app.ml.interactions import Interactions
from app.ml.recommenders.popular import graph
from app.ml.recommenders.weighting import INTEREST

LEAST = 1e-6
"""Share of the most popular row that every row has, so that each can be ranked."""


def shares(data: Interactions, half_life_days: float, kind_weights: tuple[float, ...]) -> Floats:
    """Return float32[N]: popularity as a share of the most popular row, at least `LEAST`."""
    counts = data.popularity(half_life_days, kind_weights)
    return np.asarray(np.maximum(counts / max(float(counts.max(initial=0)), 1e-30), LEAST), np.float32)


@dataclass(frozen=True)
class Popular:
    """Configuration: half-life of an event in days, weight of each kind of event."""

    half_life_days: float = 14.0
    kind_weights: tuple[float, ...] = INTEREST

    def fit(self, data: Interactions, rng: np.random.Generator) -> "PopularModel":
        """Count; nothing is random."""
        return PopularModel(shares(data, self.half_life_days, self.kind_weights))


@dataclass(frozen=True)
class PopularModel:
    """`share` float32[N], in (0, 1]."""

    share: Floats

    def score(self, batch: Batch) -> Floats:
        """Return the shares for everyone."""
        return np.repeat(self.share[None], len(batch.history), 0)

    def body(self, g: Graph) -> str:
        """Add the nodes."""
        return graph.body(g, self.share)
