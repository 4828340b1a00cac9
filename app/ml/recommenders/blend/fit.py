"""Training of `blend`: several recommenders, each with its own half-life, as one graph."""

from dataclasses import dataclass, field

import numpy as np

from app.ml.contract import Batch, Floats
from app.ml.graph.builder import Graph
from app.ml.interactions import Interactions
from app.ml.recommenders.base import Fitted, Recommender
from app.ml.recommenders.blend import graph
from app.ml.recommenders.buy_again.fit import BuyAgain
from app.ml.recommenders.ease.fit import Ease
from app.ml.recommenders.popular.fit import Popular


@dataclass(frozen=True)
class Member:
    """A recommender and the weight of its scores, after the best score of each person was set to 1."""

    recommender: Recommender
    weight: float


def personal() -> tuple[Member, ...]:
    """Return the members of the default blend: own rows first, related rows next, popular rows for the rest.

    With bought rows excluded, EASE and popularity decide.
    """
    return (Member(BuyAgain(), 1.0), Member(Ease(), 0.2), Member(Popular(), 0.005))


@dataclass(frozen=True)
class Blend:
    """Configuration: the members."""

    members: tuple[Member, ...] = field(default_factory=personal)

    def fit(self, data: Interactions, rng: np.random.Generator) -> "BlendModel":
        """Fit every member on the same data."""
        if not self.members:
            raise ValueError("a blend needs at least one member")
        return BlendModel(tuple((member.recommender.fit(data, rng), member.weight) for member in self.members))


@dataclass(frozen=True)
class BlendModel:
    """Fitted members with their weights."""

    members: tuple[tuple[Fitted, float], ...]

    def score(self, batch: Batch) -> Floats:
        """Return the weighted sum of the members' scores, each divided by the person's best."""
        total = np.float32(0)
        for model, weight in self.members:
            score = model.score(batch)
            total = total + score / np.maximum(score.max(1, keepdims=True), graph.TINY) * np.float32(weight)
        return np.asarray(total, np.float32)

    def body(self, g: Graph) -> str:
        """Add the nodes."""
        return graph.body(g, [(model.body(g), weight) for model, weight in self.members])
