"""Graph of `popular`: one constant row for everyone."""

from app.ml.contract import Floats
from app.ml.graph.builder import Graph
from app.ml.recommenders.weighting import zeros_body


def body(g: Graph, share: Floats) -> str:
    """Return float32[B,N] with `share` (float32[N]) for each person."""
    return str(g.op("Add", zeros_body(g, len(share)), g.constant(share, "share")))
