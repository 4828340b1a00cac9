"""Graph of `buy_again`: the weights of the history, put at their rows."""

from app.ml.contract import Floats
from app.ml.graph.builder import Graph
from app.ml.recommenders.weighting import Weighting, rows_body, zeros_body


def body(g: Graph, factor: Floats, weighting: Weighting) -> str:
    """Return float32[B,N]: weight of each own row times `factor` (float32[N]), 0 elsewhere."""
    zeros = zeros_body(g, len(factor))
    own = g.op("ScatterElements", zeros, rows_body(g), weighting.body(g), axis=1, reduction="add")
    return str(g.op("Mul", own, g.constant(factor, "factor")))
