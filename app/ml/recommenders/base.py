"""What a recommender is: a typed configuration with `fit`, and a fitted model that scores in numpy and as a graph."""

from dataclasses import is_dataclass
from typing import Any, Protocol

import numpy as np

from app.ml.contract import Batch, Floats
from app.ml.graph.builder import Graph
from app.ml.interactions import Interactions

SPARSE_ABOVE = 8000
"""Rows above which no model holds a constant of N x N numbers."""


class Fitted(Protocol):
    """A trained model; both readings give the same scores.

    A score of exactly 0 means that nothing is known about the row. Scores are finite.
    """

    def score(self, batch: Batch) -> Floats:
        """Return float32[B,N], the reference reading."""
        ...

    def body(self, g: Graph) -> str:
        """Add the nodes to a graph; return the tensor float32[B,N]."""
        ...


class Recommender(Protocol):
    """A configuration (frozen dataclass) that can be fitted."""

    def fit(self, data: Interactions, rng: np.random.Generator) -> Fitted:
        """Train on what happened before the cut."""
        ...


def settings(recommender: Recommender) -> dict[str, Any]:
    """Return a configuration as plain values, with the class of each part."""

    def plain(value: Any) -> Any:
        if is_dataclass(value) and not isinstance(value, type):
            fields = {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
            return {"class": type(value).__name__, **fields}
        return [plain(one) for one in value] if isinstance(value, list | tuple) else value

    return dict(plain(recommender))


def silent(score: Floats) -> Floats:
    """Turn scores of 0 into -inf: where nothing is known the place stays empty, for the next rung to fill."""
    return np.where(score == 0, np.float32(-np.inf), score)


def silent_body(g: Graph, score: str) -> str:
    """`silent` as nodes."""
    return str(g.op("Where", g.op("Equal", score, g.scalar(0.0)), g.scalar(-np.inf), score))
