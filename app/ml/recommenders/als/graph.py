"""Graph of `als`: a person's factors by conjugate gradients (Takács, Pilászy and Tikk, RecSys 2011), then one product."""

import numpy as np

from app.ml.contract import Floats
from app.ml.graph.builder import Graph
from app.ml.recommenders.weighting import Weighting, rows_body

TINY = np.float32(1e-20)
"""Keeps 0 / 0 at 0 for a person without known rows."""


def body(g: Graph, rows: Floats, normal: Floats, confidence: float, steps: int, weighting: Weighting) -> str:
    """Return float32[B,N]; `rows` float32[N,F], `normal` float32[F,F]."""
    own = g.op("Gather", g.constant(rows, "rows"), rows_body(g), axis=0)
    extra = g.op("Mul", weighting.body(g), g.scalar(confidence))
    known = g.op("Cast", g.op("Greater", extra, g.scalar(0.0)), to=1)
    rest = _combine(g, g.op("Add", extra, known), own)
    shared = g.constant(normal, "normal")
    person, step, size = "", rest, _dot(g, rest, rest)
    for _ in range(steps):
        along = g.op("Squeeze", g.op("MatMul", own, g.op("Unsqueeze", step, g.ints(2))), g.ints(2))
        image = g.op("Add", g.op("MatMul", step, shared), _combine(g, g.op("Mul", extra, along), own))
        length = g.op("Div", size, g.op("Add", _dot(g, step, image), g.scalar(float(TINY))))
        move = g.op("Mul", length, step)
        person = g.op("Add", person, move) if person else move
        rest = g.op("Sub", rest, g.op("Mul", length, image))
        before, size = size, _dot(g, rest, rest)
        turn = g.op("Div", size, g.op("Add", before, g.scalar(float(TINY))))
        step = g.op("Add", rest, g.op("Mul", turn, step))
    return str(g.op("MatMul", person, g.constant(np.ascontiguousarray(rows.T), "columns")))


def _combine(g: Graph, weight: str, own: str) -> str:
    """Sum of own rows [B,L,F] by weight [B,L]: [B,F]."""
    return str(g.op("Squeeze", g.op("MatMul", g.op("Unsqueeze", weight, g.ints(1)), own), g.ints(1)))


def _dot(g: Graph, left: str, right: str) -> str:
    return str(g.op("ReduceSum", g.op("Mul", left, right), g.ints(1), keepdims=1))
