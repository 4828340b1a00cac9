"""Evaluation's door: a registered model against what happened after its data ended."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from app.core import clock
from app.core.db import Database
from app.core.errors import Conflict, NotFound
from app.core.settings import Settings
from app.ml import dataset
from app.ml.evaluation import holdout
from app.ml.registry import service as registry
from app.ml.registry.artefact import ArtefactError
from app.ml.registry.details import FEW_PEOPLE


@dataclass(frozen=True)
class Evaluation:
    """Metrics of a model over the window that followed its data."""

    recommender: str
    version: str
    since: datetime
    until: datetime
    metrics: dict[str, Any]

    @property
    def sentence(self) -> str:
        """Say how many people the figures rest on, and how many are not among them, and why."""
        people, left = self.metrics["all"]["people"], self.metrics["left_out"]
        told = (
            f"measured on {people:,} people; left out: {left['not_known_before']:,} whom the data before did not know, "
            f"{left['only_items_not_known_before']:,} who bought only items that it did not know"
        )
        return f"{told}; fewer than {FEW_PEOPLE} people say next to nothing" if people < FEW_PEOPLE else told


async def evaluate(
    db: Database,
    settings: Settings,
    tenant: int,
    recommender: str,
    version: str | None = None,
    *,
    until: datetime | None = None,
    k: int = 10,
) -> Evaluation:
    """Evaluate a model (default: the live one) on the events from the end of its data up to `until` (default: now)."""
    registered = await registry.models(db, tenant, recommender)
    if version is None:
        live = (await registry.live(db, tenant)).get(recommender)
        if live is None:
            raise NotFound(f"{recommender} has no live model; {await registry.known(db, tenant, recommender)}.")
        version = live.version
    elif all(model.version != version for model in registered):
        raise NotFound(f"{recommender} has no version {version}; {await registry.known(db, tenant, recommender)}.")
    try:
        known_as = await registry.registered_mark(db, tenant, recommender, version)
        model = registry.load_model(settings.model_dir, await registry.tenant_name(db, tenant), recommender, version, known_as)
    except ArtefactError as error:
        raise Conflict(f"The model cannot be used. {error}") from error
    since = datetime.fromisoformat(model.manifest.data["to"])
    start = datetime.fromisoformat(model.manifest.data["from"])
    end = until or clock.now()
    data = await dataset.read(db, tenant, dataset.Window(start, end), default_consent=settings.default_consent)
    # ages are float32, so an event just before the end of the model's data may have the very age of that moment: it is none to measure
    after = np.nextafter(np.float32((end - since) / timedelta(days=1)), np.float32(0))
    held = holdout.split(data, float(after))
    if not held.targets:
        raise Conflict(f"Nobody known before {since:%Y-%m-%d} bought a known item until {end:%Y-%m-%d}: there is nothing to evaluate.")
    metrics = await asyncio.to_thread(holdout.evaluate, model, held, k)
    return Evaluation(recommender, version, since, end, {**metrics, "left_out": held.left_out})
