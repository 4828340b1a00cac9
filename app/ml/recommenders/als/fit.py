"""Training of `als` (Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008) with `implicit`."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits

from app.ml.contract import Batch, Floats
from app.ml.graph.builder import Graph
from app.ml.interactions import Interactions
from app.ml.recommenders.als import graph
from app.ml.recommenders.neighbours import matrix
from app.ml.recommenders.weighting import INTEREST, Weighting


@dataclass(frozen=True)
class Als:
    """Configuration: factors, ridge penalty, confidence per unit of weight, sweeps, and conjugate-gradient steps of the fold-in."""

    training: Weighting = field(default_factory=lambda: Weighting(INTEREST, 365.0))
    scoring: Weighting = field(default_factory=lambda: Weighting(INTEREST, 180.0))
    factors: int = 64
    penalty: float = 5.0
    confidence: float = 10.0
    sweeps: int = 12
    steps: int = 5
    longest: int = 500
    threads: int = 2

    def fit(self, data: Interactions, rng: np.random.Generator) -> "AlsModel":
        """Factorise people x rows; only the rows' factors are kept."""
        confidence = matrix(data, self.training, self.longest)
        confidence.data = 1 + np.float32(self.confidence) * confidence.data
        factors = min(self.factors, max(1, min(confidence.shape) - 1))
        # implicit's own threads and those of BLAS slow each other down
        with threadpool_limits(1, "blas"):
            trainer: Any = AlternatingLeastSquares(
                factors=factors,
                regularization=self.penalty,
                alpha=1.0,
                iterations=self.sweeps,
                num_threads=self.threads,
                random_state=int(rng.integers(2**31)),
            )
            trainer.fit(confidence, show_progress=False)
        rows = np.asarray(trainer.item_factors, np.float32)
        rows[np.diff(confidence.tocsc().indptr) == 0] = 0
        if not np.isfinite(rows).all():
            raise ValueError("the factors are not finite: raise the penalty or lower the confidence")
        return AlsModel(rows, self.penalty, self.confidence, self.steps, self.scoring)


@dataclass(frozen=True)
class AlsModel:
    """`rows` float32[N,F]: the factors of the rows; a person's are found at request from the history."""

    rows: Floats
    penalty: float
    confidence: float
    steps: int
    weighting: Weighting

    @property
    def normal(self) -> Floats:
        """The part of the normal equations that all people share, float32[F,F]."""
        return (self.rows.T @ self.rows + np.float32(self.penalty) * np.eye(self.rows.shape[1], dtype=np.float32)).astype(np.float32)

    def score(self, batch: Batch) -> Floats:
        """Fold the people in by conjugate gradients and multiply with the rows' factors."""
        own = self.rows[np.maximum(batch.history, 0)]
        extra = self.weighting.of(batch) * np.float32(self.confidence)
        person = np.zeros((len(own), self.rows.shape[1]), np.float32)
        rest = np.einsum("bl,blf->bf", extra + (extra > 0), own)
        step, size = rest, (rest * rest).sum(1, keepdims=True)
        for _ in range(self.steps):
            image = step @ self.normal + np.einsum("bl,blf->bf", extra * np.einsum("bf,blf->bl", step, own), own)
            length = size / ((step * image).sum(1, keepdims=True) + graph.TINY)
            person, rest = person + length * step, rest - length * image
            size, before = (rest * rest).sum(1, keepdims=True), size
            step = rest + size / (before + graph.TINY) * step
        return (person @ self.rows.T).astype(np.float32)

    def body(self, g: Graph) -> str:
        """Add the nodes."""
        return graph.body(g, self.rows, self.normal, self.confidence, self.steps, self.weighting)
