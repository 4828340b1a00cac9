"""Graph of `blend`: the members' scores on one scale, weighted and added."""

from collections.abc import Sequence

import numpy as np

from app.ml.graph.builder import Graph

TINY = np.float32(1e-20)
"""Least divisor: a member that knows nothing adds 0."""


def body(g: Graph, members: Sequence[tuple[str, float]]) -> str:
    """Return float32[B,N] from (score tensor, weight) pairs."""
    total = ""
    for score, weight in members:
        best = g.op("Max", g.op("ReduceMax", score, g.ints(1), keepdims=1), g.scalar(float(TINY)))
        part = g.op("Mul", g.op("Div", score, best), g.scalar(weight))
        total = g.op("Add", total, part) if total else part
    return total
