"""One training run on data in memory: measure on a temporal hold-out, then fit on everything and write the artefact."""

import secrets
import tempfile
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from app.core.logging import log
from app.ml.dataset import Window
from app.ml.evaluation import holdout
from app.ml.interactions import Interactions
from app.ml.recommenders.base import Recommender, settings
from app.ml.recommenders.popular.fit import Popular
from app.ml.registry.artefact import Manifest, folder
from app.ml.registry.details import figure
from app.ml.registry.loader import load
from app.ml.training import artefact
from app.ml.training.verdict import POPULAR, loses

MOST_PEOPLE = 2000
"""People sampled for the offline metrics."""
HOLDOUT_DAYS = 28.0


@dataclass(frozen=True)
class Job:
    """What to train: for whom, what, on which window, from which seed; `holdout_days` of 0 leaves the metrics out.

    `supply` is what the manifest tells of the events beside their window.
    """

    tenant: str
    name: str
    recommender: Recommender
    window: Window
    seed: int = 0
    history_items: int = 200
    holdout_days: float = HOLDOUT_DAYS
    supply: dict[str, Any] = field(default_factory=dict)


def run(job: Job, data: Interactions, store: Path) -> Manifest:
    """Train; return the manifest of the artefact, which was written to the store and loaded once as serving will.

    Raises ValueError when there is nothing to learn from.
    """
    if not data.rows or not len(data.row):
        raise ValueError("there are no events to learn from: import events for items of the catalogue first")
    draft = _draft(job, data)
    metrics = _measure(job, draft, data) if job.holdout_days else {}
    log.info("train.fit", recommender=job.name, rows=data.rows, people=data.people, events=len(data.row))
    model = job.recommender.fit(data, np.random.default_rng(job.seed))
    manifest = artefact.write(store, replace(draft, metrics=metrics), model, data)
    load(folder(store, manifest.tenant, manifest.recommender, manifest.version))
    return manifest


def promotable(manifest: Manifest) -> bool:
    """Tell whether a first model may go live by itself: it was measured, filled some places, every figure is finite, and
    `popular` is not better in every task."""
    measured = manifest.metrics.get("all", {})
    figures = [value for value in measured.values() if isinstance(value, int | float)]
    return (
        bool(measured.get("people"))
        and measured.get("filled", 0) > 0
        and bool(np.isfinite(figures).all())
        and not loses(manifest.recommender, manifest.metrics)
    )


def _draft(job: Job, data: Interactions) -> Manifest:
    created = datetime.now(UTC)
    return Manifest(
        tenant=job.tenant,
        recommender=job.name,
        version=f"{created:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
        created_at=created.isoformat(),
        seed=job.seed,
        rows=data.rows,
        history_items=job.history_items,
        inputs=[],
        parameters=settings(job.recommender),
        data={**_window(job.window, data), "people": data.people, "events": len(data.row), "rows": data.rows, **job.supply},
        metrics={},
    )


def _window(window: Window, data: Interactions) -> dict[str, Any]:
    first = float(data.age.max(initial=0))
    return {"from": window.start.isoformat(), "to": window.end.isoformat(), "oldest_event_days": round(first, 3)}


def _measure(job: Job, draft: Manifest, data: Interactions) -> dict[str, Any]:
    """Fit on what lies before the hold-out and evaluate that artefact through ONNX Runtime."""
    days = min(job.holdout_days, float(data.age.max(initial=0)) / 5)
    held = holdout.split(data, days)
    if not held.targets or not len(held.before.row):
        log.warning("train.no_holdout", recommender=job.name, days=round(days, 3))
        return {}
    own = _figures(job, job.recommender, draft, held)
    figures = {"holdout_days": round(days, 3), **own, "left_out": held.left_out}
    if job.name != POPULAR:
        plain = _figures(job, Popular(), draft, held)
        figures[POPULAR] = {task: value for task in ("all", "new") if (value := figure(plain, task)) is not None}
    return figures


def _figures(job: Job, recommender: Recommender, draft: Manifest, held: holdout.Holdout) -> dict[str, Any]:
    """Fit a recommender on what lies before the hold-out and measure its artefact on the same people as any other."""
    rng = np.random.default_rng(job.seed)
    with tempfile.TemporaryDirectory(prefix="morsel-holdout-") as aside:
        manifest = artefact.write(Path(aside), draft, recommender.fit(held.before, rng), held.before)
        model = load(folder(Path(aside), manifest.tenant, manifest.recommender, manifest.version))
        return holdout.evaluate(model, held, most_people=MOST_PEOPLE, rng=np.random.default_rng(job.seed))
