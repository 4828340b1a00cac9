"""Wire shapes of models."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from app.ml.registry.service import Model


class ModelOut(BaseModel):
    """A trained model."""

    recommender: str
    version: str
    live: bool
    created_at: datetime
    metrics: dict[str, Any]
    data: dict[str, Any]

    @classmethod
    def of(cls, model: Model) -> "ModelOut":
        """Show a registered model."""
        return cls(
            recommender=model.recommender,
            version=model.version,
            live=model.live,
            created_at=model.created_at,
            metrics=model.manifest.get("metrics") or {},
            data=model.manifest.get("data") or {},
        )


class ModelList(BaseModel):
    """Models, newest first."""

    models: list[ModelOut]


class LiveOut(BaseModel):
    """The live model of a recommender."""

    recommender: str
    version: str
    promoted_at: datetime
