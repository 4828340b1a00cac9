"""Evaluation's door: a registered model against what happened after its data ended."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.core import clock
from app.core.db import Database
from app.core.errors import Conflict, NotFound
from app.core.settings import Settings
from app.ml.evaluation import holdout
from app.ml.registry import service as registry
from app.ml.registry.artefact import ArtefactError
from app.ml.training import dataset


@dataclass(frozen=True)
class Evaluation:
    """Metrics of a model over the window that followed its data."""

    recommender: str
    version: str
    since: datetime
    until: datetime
    metrics: dict[str, Any]


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
    if version is None:
        live = (await registry.live(db, tenant)).get(recommender)
        if live is None:
            raise NotFound(f"{recommender} has no live model; name a version or train one.")
        version = live.version
    try:
        model = registry.load_model(settings.model_dir, await registry.tenant_name(db, tenant), recommender, version)
    except ArtefactError as error:
        raise Conflict(f"The model cannot be used. {error}") from error
    since = datetime.fromisoformat(model.manifest.data["to"])
    start = datetime.fromisoformat(model.manifest.data["from"])
    end = until or clock.now()
    data = await dataset.read(db, tenant, dataset.Window(start, end), default_consent=settings.default_consent)
    held = holdout.split(data, (end - since) / timedelta(days=1))
    if not held.targets:
        raise Conflict(f"Nobody known before {since:%Y-%m-%d} bought a known item until {end:%Y-%m-%d}: there is nothing to evaluate.")
    metrics = await asyncio.to_thread(holdout.evaluate, model, held, k)
    return Evaluation(recommender, version, since, end, metrics)
