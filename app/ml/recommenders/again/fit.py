"""Training of `again`: a logistic regression of whether a row of a person's own history comes back at their next moment.

It knows of an entry its kind, how long ago and how many moments back it was, how often it happened and how much of it, and of the row how
popular it is and how often it comes back. Fitted by Newton's method with a ridge (Hastie, Tibshirani and Friedman, "The Elements of
Statistical Learning", 4.4.1).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.ml import contract
from app.ml.contract import Batch, Floats
from app.ml.evaluation import last_moment
from app.ml.graph.builder import Graph
from app.ml.interactions import Interactions
from app.ml.recommenders.again import graph
from app.ml.recommenders.popular.fit import shares
from app.ml.recommenders.weighting import INTEREST, places

_STEPS = 25
FEATURES = ("first", "place", "age", "times", "amount", "popularity", "returns")
_SHRINK = 20.0
"""Entries of the average that the rate of return of each row is mixed with."""
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Again:
    """Configuration: half-life of popularity in days, ridge, people to learn from, entries of each history."""

    popularity_half_life_days: float = 14.0
    ridge: float = 3.0
    most_people: int = 5000
    history_items: int = 200

    def fit(self, data: Interactions, rng: np.random.Generator) -> "AgainModel":
        """Learn from the last moment of the newest people; nothing is random."""
        popularity = np.log(shares(data, self.popularity_half_life_days, INTEREST).astype(np.float64))
        held = last_moment.leave_out(data, self.most_people)
        if not len(held.people):
            return AgainModel.untaught(data.rows)
        batch = contract.assemble(held.histories, self.history_items)
        known = (batch.history >= 0) & (batch.kind >= last_moment.CLICK)
        came = np.zeros(known.shape, bool)
        for line, target in zip(range(len(came)), held.targets, strict=True):
            came[line] = np.isin(batch.history[line], target) & known[line]
        returns = _returns(batch.history[known], came[known], data.rows)
        inside = np.concatenate([_kinds(batch.kind[known]), _features(batch, known), popularity[batch.history[known], None]], 1)
        # the own return of an entry is no news of its row: its row's rate is taken without it
        rate = _rate(returns, batch.history[known], came[known])
        weight = _regression(np.concatenate([inside, rate[:, None]], 1), came[known], self.ridge)
        kinds, rest = weight[: len(contract.KINDS)], weight[len(contract.KINDS) :]
        own = rest[-2] * popularity + rest[-1] * _logit(_shrunk(returns))
        return AgainModel(own.astype(np.float32), kinds.astype(np.float32), tuple(rest[:-2].tolist()))


@dataclass(frozen=True)
class AgainModel:
    """`own` float32[N], `kinds` float32[8] and the weights of what is known of an entry, all in log odds of a return."""

    own: Floats
    kinds: Floats
    weights: tuple[float, ...]
    probability = True

    @classmethod
    def untaught(cls, rows: int) -> "AgainModel":
        """Return the model where nobody did anything twice: one in a hundred comes back, the latest first."""
        kinds = np.full(len(contract.KINDS), _logit(np.array(0.01)), np.float32)
        return cls(np.zeros(rows, np.float32), kinds, (0.0, -1.0, 0.0, 0.0, 0.0))

    @property
    def learned(self) -> dict[str, Any]:
        """The weights, for the manifest."""
        named = dict(zip(FEATURES, self.weights, strict=False))
        return {"log_odds": {**dict(zip(contract.KINDS, self.kinds.tolist(), strict=True)), **named}}

    def score(self, batch: Batch) -> Floats:
        """Return the probability that each own row comes back, and 0 elsewhere."""
        out = np.zeros((len(batch.history), len(self.own)), np.float32)
        known = (batch.history >= 0) & (batch.kind >= last_moment.CLICK)
        if known.any():
            odds = _features(batch, known) @ np.asarray(self.weights) + self.kinds[batch.kind[known]] + self.own[batch.history[known]]
            out[np.nonzero(known)[0], batch.history[known]] = 1 / (1 + np.exp(-np.clip(odds, -40, 40)))
        return out

    def body(self, g: Graph) -> str:
        """Add the nodes."""
        return graph.body(g, self.own, self.kinds, self.weights)


def _kinds(kind: Any) -> Matrix:
    return np.asarray(np.eye(len(contract.KINDS))[kind])


def _features(batch: Batch, known: Any) -> Matrix:
    """Return what is known of each entry, float64[entries,5], in the order of `FEATURES`."""
    place = places(batch.age, batch.history >= 0)[known].astype(np.float64)
    age, times, amount = (part[known].astype(np.float64) for part in (batch.age, batch.times, batch.amount))
    logs = (np.log1p(place), np.log1p(np.maximum(age, 0)), np.log(np.maximum(times, 1)), np.log(np.maximum(amount, 1)))
    return np.stack([(place == 0).astype(np.float64), *logs], 1)


def _returns(row: Any, came: Any, rows: int) -> Matrix:
    """Return float64[3,N]: of each row how often it came back, how often it could have, and what all rows did on average."""
    return np.stack([np.bincount(row, came, rows), np.bincount(row, minlength=rows), np.full(rows, (came.sum() + 0.5) / (len(came) + 1))])


def _shrunk(returns: Matrix) -> Matrix:
    came, could, average = returns
    return np.asarray((came + _SHRINK * average) / (could + _SHRINK))


def _rate(returns: Matrix, row: Any, came: Any) -> Matrix:
    others = returns[:, row] - np.stack([came, np.ones(len(row)), np.zeros(len(row))])
    return _logit(_shrunk(others))


def _logit(share: Matrix) -> Matrix:
    return np.asarray(np.log(share / (1 - share)))


def _regression(x: Matrix, y: Any, ridge: float) -> Matrix:
    """Return the weights of a logistic regression."""
    weight = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(x @ weight, -30, 30)))
        slope = x.T @ (y - chance) - ridge * weight
        curve = (x * (chance * (1 - chance))[:, None]).T @ x + ridge * np.eye(len(weight))
        step = np.linalg.solve(curve, slope)
        weight += step
        if np.abs(step).max() < 1e-6:
            break
    return weight
