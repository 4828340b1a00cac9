"""Training of `blend`: several recommenders, each with its own half-life, as one graph."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from app.ml.contract import Batch, Floats
from app.ml.graph.builder import Graph
from app.ml.interactions import Interactions
from app.ml.recommenders.again.fit import Again
from app.ml.recommenders.base import Fitted, Recommender, settings
from app.ml.recommenders.blend import graph, tuning
from app.ml.recommenders.blend.scaling import combined, is_probability, scaled
from app.ml.recommenders.buy_again.fit import BuyAgain
from app.ml.recommenders.ease.fit import Ease
from app.ml.recommenders.popular.fit import Popular
from app.ml.recommenders.transitions.fit import Transitions
from app.ml.recommenders.weighting import INTEREST, NEVER, Weighting


@dataclass(frozen=True)
class Member:
    """A recommender and the weights its scores may get; the first stands where there is too little to choose by.

    Scores are divided by the best of each person, but those that are probabilities. `own` are rows that the person knows already: what
    other members say of these may count less. `tries` stand in for the recommender where they are better by themselves, unless somebody
    changed it.
    """

    recommender: Recommender
    weights: tuple[float, ...]
    own: bool = False
    tries: tuple[Recommender, ...] = ()


def personal() -> tuple[Member, ...]:
    """Return the members of the default blend: own rows, what follows, related rows, popular rows for the rest."""
    lasting = Weighting(INTEREST, NEVER)
    slower = Weighting(INTEREST, NEVER, half_life_places=5.0)
    lately = replace(lasting, half_life_places=8.0)
    plain = Ease(lasting, lasting, penalty=300.0, popularity_power=0.0)
    return (
        Member(Again(), (10.0, 30.0, 3.0, 1.0, 0.3, 0.0), own=True, tries=(BuyAgain(),)),
        Member(Transitions(), (0.2, 1.0, 0.5, 0.1, 0.03, 0.0), tries=(Transitions(from_power=0.5), Transitions(scoring=slower))),
        # of what keeps its weight for ever, and of what people did in the latest moments only
        Member(Ease(), (0.2, 1.0, 0.5, 0.1, 0.03, 0.0), tries=(replace(plain, scoring=lately), plain, replace(plain, penalty=1000.0))),
        Member(Popular(), (0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)),
    )


@dataclass(frozen=True)
class Blend:
    """Configuration: the members, the share that rows of the own history keep of the other members' scores, and the entries of a
    history that both are judged by.
    """

    members: tuple[Member, ...] = field(default_factory=personal)
    own_shares: tuple[float, ...] = (1.0, 0.3, 0.1, 0.0)
    history_items: int = 200

    def fit(self, data: Interactions, rng: np.random.Generator) -> "BlendModel":
        """Choose settings and weights, then fit every member on the same data; members of weight 0 are left out."""
        if not self.members:
            raise ValueError("a blend needs at least one member")
        chosen = tuning.choose(self.members, self.own_shares, data, self.history_items, rng)
        kept = [(one, member.own, weight) for member, one, weight in zip(self.members, *chosen[:2], strict=True) if weight]
        if not kept:
            raise ValueError("a blend needs a member with a weight above 0")
        fitted = tuple((one.fit(data, rng), own, weight) for one, own, weight in kept)
        return BlendModel(fitted, chosen.own_share, tuple(one for one, _, _ in kept))


@dataclass(frozen=True)
class BlendModel:
    """Fitted members, whether each is of own rows, and their weights; `own_share` is what own rows keep of the others' scores."""

    members: tuple[tuple[Fitted, bool, float], ...]
    own_share: float = 1.0
    settings: tuple[Recommender, ...] = ()

    @property
    def learned(self) -> dict[str, Any]:
        """The settings and weights that were chosen, and what members learned themselves, for the manifest."""
        told = {}
        for setting, (model, _, weight) in zip(self.settings, self.members, strict=True):
            told[type(setting).__name__] = {"weight": weight, "setting": settings(setting), **getattr(model, "learned", {})}
        return {"members": told, "own_share": self.own_share}

    def score(self, batch: Batch) -> Floats:
        """Return the weighted sum of the members' scores."""
        scored = [(scaled(model, batch), own, weight) for model, own, weight in self.members]
        return combined(batch.history, scored, self.own_share)

    def body(self, g: Graph) -> str:
        """Add the nodes."""
        parts = [graph.Part(model.body(g), own, weight, is_probability(model)) for model, own, weight in self.members]
        return graph.body(g, parts, self.own_share)
