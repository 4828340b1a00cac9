"""Wire shapes of models."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

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


class StandingOut(BaseModel):
    """The live model of a recommender, why it was promoted, and the version that a roll-back would bring."""

    recommender: str
    version: str
    promoted_at: datetime
    reason: str
    previous: str | None


class ModelDetails(BaseModel):
    """Everything that is known of a model; `bytes` is what it takes on the disk of the machine that answers."""

    recommender: str
    version: str
    live: bool
    live_version: str | None
    created_at: datetime
    window: dict[str, Any]
    events: int | None
    data: dict[str, Any]
    metrics: dict[str, Any]
    parameters: dict[str, Any]
    seed: int | None
    rows: int | None
    history_items: int | None
    bytes: int
    verdict: str = Field(description="In words how good it is, beside `popular` and the live model.")


class Beside(BaseModel):
    """Two models side by side; every pair is the first one's value and the second one's, figures with the difference."""

    recommender: list[str]
    version: list[str]
    live: list[bool]
    window: list[dict[str, Any]]
    events: list[int | None]
    rows: list[int | None]
    bytes: list[int]
    metrics: dict[str, dict[str, list[float]]]
    parameters: dict[str, list[Any]]
    warnings: list[str]


class ModelList(BaseModel):
    """Models, newest first; `next` goes into `before` for those behind. `live` tells what serves, whichever models are listed."""

    models: list[ModelOut]
    live: list[StandingOut]
    next: int | None


class LiveOut(BaseModel):
    """The live model of a recommender."""

    recommender: str
    version: str
    promoted_at: datetime
