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


@dataclass(frozen=True)
class Weighting:
    """weight = kind weight * 2^(-age / half_life_days) * max(times, 1)^times_power * max(amount, 1)^amount_power."""

    kind_weights: tuple[float, ...] = INTEREST
    half_life_days: float = 180.0
    times_power: float = 0.0
    amount_power: float = 0.0

    def __post_init__(self) -> None:
        if len(self.kind_weights) != len(contract.KINDS) or min(self.kind_weights) < 0:
            raise ValueError(f"kind_weights needs {len(contract.KINDS)} numbers of at least 0")
        if not self.half_life_days > 0:
            raise ValueError("half_life_days must be above 0")

    def weigh(self, kind: Ints, age: Floats, times: Floats, amount: Floats) -> Floats:
        """Return the weights, float32 of the inputs' shape."""
        weight: Any = np.asarray(self.kind_weights, np.float32)[kind] * np.exp2(age * np.float32(-1 / self.half_life_days))
        weight *= np.maximum(times, np.float32(1)) ** np.float32(self.times_power)
        weight *= np.maximum(amount, np.float32(1)) ** np.float32(self.amount_power)
        return np.asarray(weight, np.float32)

    def of(self, entries: Any) -> Floats:
        """Return the weights of histories (or of a batch, where padding gets 0)."""
        weight = self.weigh(entries.kind, entries.age, entries.times, entries.amount)
        if isinstance(entries, contract.Batch):
            weight[entries.history == contract.PAD] = 0
        return weight

    def body(self, g: Graph) -> str:
        """Add the nodes; return float32[B,L] with 0 at padding."""
        return g.shared(self, lambda: self._nodes(g))

    def _nodes(self, g: Graph) -> str:
        known = g.op("Cast", g.op("GreaterOrEqual", g.input(contract.HISTORY), g.ints(0)), to=1)
        weights = g.constant(np.asarray(self.kind_weights, np.float32), "kind_weights")
        weight = g.op("Mul", known, g.op("Gather", weights, g.input(contract.KIND), axis=0))
        decay = g.op("Pow", g.scalar(2.0), g.op("Mul", g.input(contract.AGE), g.scalar(-1 / self.half_life_days)))
        weight = g.op("Mul", weight, decay)
        for name, power in ((contract.TIMES, self.times_power), (contract.AMOUNT, self.amount_power)):
            if power:
                grown = g.op("Pow", g.op("Max", g.input(name), g.scalar(1.0)), g.scalar(power))
                weight = g.op("Mul", weight, grown)
        return str(weight)


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
