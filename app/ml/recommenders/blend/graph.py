"""Graph of `blend`: the members' scores on one scale, weighted and added."""

from collections.abc import Sequence
from typing import NamedTuple

from app.ml import contract
from app.ml.graph.builder import Graph
from app.ml.recommenders.blend.scaling import TINY
from app.ml.recommenders.weighting import rows_body


class Part(NamedTuple):
    """The scores of a member (a tensor float32[B,N]), whether they are of own rows, their weight, and whether they are probabilities."""

    score: str
    own: bool
    weight: float
    probability: bool


def body(g: Graph, parts: Sequence[Part], own_share: float) -> str:
    """Return float32[B,N]; `own_share` of what other members say of own rows stays."""
    others = [_weighted(g, part) for part in parts if not part.own]
    own = [_weighted(g, part) for part in parts if part.own]
    if others and own_share != 1:
        others = [_less(g, _sum(g, others), own_share)]
    return _sum(g, [*others, *own])


def _weighted(g: Graph, part: Part) -> str:
    score = part.score
    if not part.probability:
        score = g.op("Div", score, g.op("Max", g.op("ReduceMax", score, g.ints(1), keepdims=1), g.scalar(float(TINY))))
    return str(g.op("Mul", score, g.scalar(part.weight)))


def _less(g: Graph, total: str, share: float) -> str:
    """Multiply the scores of rows of the own history."""
    known = g.op("GreaterOrEqual", g.input(contract.HISTORY), g.ints(0))
    # padding points at row 0: of the factors that meet there the least holds
    factor = g.op("Where", known, g.scalar(share), g.scalar(1.0))
    ones = g.op("Add", g.op("Mul", total, g.scalar(0.0)), g.scalar(1.0))
    return str(g.op("Mul", total, g.op("ScatterElements", ones, rows_body(g), factor, axis=1, reduction="min")))


def _sum(g: Graph, parts: Sequence[str]) -> str:
    total = parts[0]
    for part in parts[1:]:
        total = g.op("Add", total, part)
    return total
