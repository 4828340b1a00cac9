"""Training of `blend`: several recommenders, each with its own half-life, as one graph."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app.ml.contract import Batch, Floats
from app.ml.graph.builder import Graph
from app.ml.interactions import Interactions
from app.ml.recommenders.base import Fitted, Recommender
from app.ml.recommenders.blend import graph, tuning
from app.ml.recommenders.buy_again.fit import BuyAgain
from app.ml.recommenders.ease.fit import Ease
from app.ml.recommenders.popular.fit import Popular


@dataclass(frozen=True)
class Member:
    """A recommender and the weights its scores may get, after the best score of each person was set to 1.

    Of several weights the best is chosen on the last weeks of the data; the first stands when there is too little.
    """

    recommender: Recommender
    weights: tuple[float, ...]


def personal() -> tuple[Member, ...]:
    """Return the members of the default blend: own rows, related rows, popular rows for the rest.

    How much own rows count depends on the shop: people buy the same coffee again, but not the same coat. With bought
    rows excluded, EASE and popularity decide.
    """
    return (Member(BuyAgain(), (1.0, 0.3, 0.1, 0.0)), Member(Ease(), (0.2,)), Member(Popular(), (0.005, 0.05, 0.2, 1.0)))


@dataclass(frozen=True)
class Blend:
    """Configuration: the members, and the entries of a history that a weight is judged by."""

    members: tuple[Member, ...] = field(default_factory=personal)
    history_items: int = 200

    def fit(self, data: Interactions, rng: np.random.Generator) -> "BlendModel":
        """Choose the weights, then fit every member on the same data; members of weight 0 are left out."""
        if not self.members:
            raise ValueError("a blend needs at least one member")
        recommenders = [member.recommender for member in self.members]
        weights = tuning.choose(recommenders, [member.weights for member in self.members], data, self.history_items, rng)
        chosen = [(one, weight) for one, weight in zip(recommenders, weights, strict=True) if weight]
        if not chosen:
            raise ValueError("a blend needs a member with a weight above 0")
        return BlendModel(tuple((one.fit(data, rng), weight) for one, weight in chosen))


@dataclass(frozen=True)
class BlendModel:
    """Fitted members with their weights."""

    members: tuple[tuple[Fitted, float], ...]

    @property
    def learned(self) -> dict[str, Any]:
        """The weights that were chosen, for the manifest."""
        return {"weights": {type(model).__name__: weight for model, weight in self.members}}

    def score(self, batch: Batch) -> Floats:
        """Return the weighted sum of the members' scores, each divided by the person's best."""
        total: Any = np.float32(0)
        for model, weight in self.members:
            total = total + tuning.normalised(model.score(batch)) * np.float32(weight)
        return np.asarray(total, np.float32)

    def body(self, g: Graph) -> str:
        """Add the nodes."""
        return graph.body(g, [(model.body(g), weight) for model, weight in self.members])
