"""How much an entry of a history counts: by kind, age, times and amount, in numpy and as nodes of a graph."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.ml import contract
from app.ml.contract import Floats, Ints
from app.ml.graph.builder import Graph

INTEREST = (0.0, 0.0, 0.1, 0.15, 0.3, 0.5, 0.6, 1.0)
"""Weights of the kinds, weakest first, where every sign of interest counts."""
PURCHASES = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
"""Weights of the kinds where only purchases count."""
NEVER = 1e9
"""Half-life of what does not fade."""


@dataclass(frozen=True)
class Weighting:
    """How much an entry counts: by kind, age, place, times and amount.

    weight = kind weight * 2^(-age / half_life_days) * 2^(-place / half_life_places) * max(times, 1)^times_power
    * max(amount, 1)^amount_power; the place counts the moments after the entry's own at which something of the history happened last.
    """

    kind_weights: tuple[float, ...] = INTEREST
    half_life_days: float = 180.0
    times_power: float = 0.0
    amount_power: float = 0.0
    half_life_places: float = NEVER

    def __post_init__(self) -> None:
        if len(self.kind_weights) != len(contract.KINDS) or min(self.kind_weights) < 0:
            raise ValueError(f"kind_weights needs {len(contract.KINDS)} numbers of at least 0")
        for name in ("half_life_days", "half_life_places"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0")

    def weigh(self, kind: Ints, age: Floats, times: Floats, amount: Floats, place: Any = 0) -> Floats:
        """Return the weights, float32 of the inputs' shape."""
        weight: Any = np.asarray(self.kind_weights, np.float32)[kind] * np.exp2(age * np.float32(-1 / self.half_life_days))
        weight *= np.exp2(np.asarray(place, np.float32) * np.float32(-1 / self.half_life_places))
        weight *= np.maximum(times, np.float32(1)) ** np.float32(self.times_power)
        weight *= np.maximum(amount, np.float32(1)) ** np.float32(self.amount_power)
        return np.asarray(weight, np.float32)

    def of(self, entries: Any) -> Floats:
        """Return the weights of one history (or of a batch, where padding gets 0)."""
        if isinstance(entries, contract.Batch):
            known = entries.history != contract.PAD
            weight = self.weigh(entries.kind, entries.age, entries.times, entries.amount, places(entries.age, known))
            weight[~known] = 0
            return weight
        place = places(entries.age[None], np.ones((1, len(entries.age)), bool))[0]
        return self.weigh(entries.kind, entries.age, entries.times, entries.amount, place)

    def body(self, g: Graph) -> str:
        """Add the nodes; return float32[B,L] with 0 at padding."""
        return g.shared(self, lambda: self._nodes(g))

    def _nodes(self, g: Graph) -> str:
        known = g.op("Cast", g.op("GreaterOrEqual", g.input(contract.HISTORY), g.ints(0)), to=1)
        weights = g.constant(np.asarray(self.kind_weights, np.float32), "kind_weights")
        weight = g.op("Mul", known, g.op("Gather", weights, g.input(contract.KIND), axis=0))
        decay = g.op("Pow", g.scalar(2.0), g.op("Mul", g.input(contract.AGE), g.scalar(-1 / self.half_life_days)))
        weight = g.op("Mul", weight, decay)
        if self.half_life_places < NEVER:
            weight = g.op("Mul", weight, g.op("Pow", g.scalar(2.0), g.op("Mul", places_body(g), g.scalar(-1 / self.half_life_places))))
        for name, power in ((contract.TIMES, self.times_power), (contract.AMOUNT, self.amount_power)):
            if power:
                grown = g.op("Pow", g.op("Max", g.input(name), g.scalar(1.0)), g.scalar(power))
                weight = g.op("Mul", weight, grown)
        return str(weight)


def places(age: Floats, known: Any) -> Floats:
    """Return float32[B,L]: how many later moments follow each entry of left-aligned histories; what happened at once shares a place."""
    later = np.zeros(age.shape, np.float32)
    later[:, :-1] = (age[:, 1:] != age[:, :-1]) & known[:, 1:]
    return np.asarray(later[:, ::-1].cumsum(1)[:, ::-1], np.float32)


def places_body(g: Graph) -> str:
    """`places` as nodes."""

    def make() -> str:
        age, second, far = g.input(contract.AGE), g.ints(1), g.ints(np.iinfo(np.int64).max)
        after = g.op("Slice", age, second, far, second)
        same = g.op("Equal", after, g.op("Slice", age, g.ints(0), g.ints(-1), second))
        known = g.op("GreaterOrEqual", g.op("Slice", g.input(contract.HISTORY), second, far, second), g.ints(0))
        later = g.op("Cast", g.op("And", g.op("Not", same), known), to=1)
        return str(g.op("CumSum", g.op("Pad", later, g.ints(0, 0, 0, 1)), g.constant(np.array(1, np.int64), "axis"), reverse=1))

    return g.shared("places", make)


def rows_body(g: Graph) -> str:
    """Add the history with padding pointing at row 0, int64[B,L]; its weight there is 0."""
    return g.shared("rows", lambda: g.op("Max", g.input(contract.HISTORY), g.ints(0)))


def zeros_body(g: Graph, rows: int) -> str:
    """Add float32[B,N] of zeros."""

    def make() -> str:
        people = g.op("Shape", g.input(contract.HISTORY), start=0, end=1)
        shape = g.op("Concat", people, g.ints(rows), axis=0)
        return str(g.op("Expand", g.scalar(0.0), shape))

    return g.shared(("zeros", rows), make)
