"""Graph of `again`: log odds of each entry, as a probability at its row."""

from collections.abc import Sequence

from app.ml import contract
from app.ml.contract import Floats
from app.ml.graph.builder import Graph
from app.ml.recommenders.weighting import places_body, rows_body, zeros_body

_CLICK = contract.KINDS.index("click")


def body(g: Graph, own: Floats, kinds: Floats, weights: Sequence[float]) -> str:
    """Return float32[B,N]: the probability at each own row, 0 elsewhere."""
    zeros = zeros_body(g, len(own))
    first, place, age, times, amount = weights
    one, at = g.scalar(1.0), places_body(g)
    odds = g.op("Gather", g.constant(kinds, "kinds"), g.input(contract.KIND), axis=0)
    odds = g.op("Add", odds, g.op("Gather", g.constant(own, "own"), rows_body(g), axis=0))
    odds = g.op("Add", odds, g.op("Mul", g.op("Cast", g.op("Equal", at, g.scalar(0.0)), to=1), g.scalar(first)))
    later = g.op("Add", g.op("Max", g.input(contract.AGE), g.scalar(0.0)), one)
    often, much = (g.op("Max", g.input(name), one) for name in (contract.TIMES, contract.AMOUNT))
    for value, weight in ((g.op("Add", at, one), place), (later, age), (often, times), (much, amount)):
        odds = g.op("Add", odds, g.op("Mul", g.op("Log", value), g.scalar(weight)))
    chance = g.op("Sigmoid", g.op("Clip", odds, g.scalar(-40.0), g.scalar(40.0)))
    real = g.op("GreaterOrEqual", g.input(contract.HISTORY), g.ints(0))
    real = g.op("And", real, g.op("GreaterOrEqual", g.input(contract.KIND), g.ints(_CLICK)))
    return str(g.op("ScatterElements", zeros, rows_body(g), g.op("Mul", chance, g.op("Cast", real, to=1)), axis=1, reduction="add"))
