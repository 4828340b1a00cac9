"""Training's door: from the events of a tenant to a registered model."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any

from app.access.audit import ITSELF
from app.core import clock
from app.core.db import Database
from app.core.errors import Invalid, NotFound
from app.core.logging import log
from app.core.settings import Settings
from app.ml import dataset
from app.ml.recommenders.base import Recommender
from app.ml.registry import service as registry
from app.ml.registry.artefact import Manifest
from app.ml.training import supply, trainer, verdict
from app.ml.training.changing import changed, near


@dataclass(frozen=True)
class Trained:
    """What a training run gave: whether the model is live now, which events it learned from, and how good it is."""

    model_no: int
    manifest: Manifest
    promoted: bool
    used: str
    verdict: str


@dataclass(frozen=True)
class Options:
    """How to train: end of the data (default: now), its length (default: all), hold-out, seed, changed parameters, promotion, by whom."""

    until: datetime | None = None
    days: float | None = None
    holdout_days: float = trainer.HOLDOUT_DAYS
    seed: int = 0
    changes: Mapping[str, str] | None = None
    promote: bool = False
    who: str = ITSELF


def recommender(catalogue: Mapping[str, str], name: str, changes: Mapping[str, str] | None = None) -> Recommender:
    """Build the recommender of a name from `package.module:Class`, with some parameters changed from text."""
    if name not in catalogue:
        hint = near(name, sorted(catalogue))
        rest = f" There are {', '.join(sorted(catalogue))}." if hint.startswith("did") else ""
        raise NotFound(f"There is no recommender {name}; {hint}{rest}")
    module, _, attribute = catalogue[name].partition(":")
    config: Any = getattr(import_module(module), attribute)
    made: Recommender = config()
    return changed(name, made, changes) if changes else made


async def train(
    db: Database, settings: Settings, tenant: int, names: list[str], catalogue: Mapping[str, str], options: Options | None = None
) -> list[Trained]:
    """Train recommenders on one reading of the events, register them, and promote where asked or where there is no model yet.

    Raises Invalid when there is nothing to learn from or a parameter is wrong, NotFound for an unknown name.
    """
    options = options or Options()
    chosen = {name: recommender(catalogue, name, options.changes) for name in names}
    tenant_name = await registry.tenant_name(db, tenant)
    if options.days is not None and not options.days > 0:
        raise Invalid("days must be above 0")
    found = await supply.look(db, tenant, now=clock.now(), until=options.until, days=options.days, most=settings.training_events)
    data = await dataset.read(db, tenant, found.window, default_consent=settings.default_consent)
    if not data.rows or not len(data.row):
        raise Invalid(f"There are no events to learn from: {found.nothing()}.")
    used = found.sentence(len(data.row))
    log.info("train.events", used=used, **found.document(len(data.row)))
    done = []
    for name, config in chosen.items():
        job = trainer.Job(
            tenant_name,
            name,
            config,
            found.window,
            options.seed,
            settings.history_items,
            options.holdout_days,
            found.document(len(data.row)),
        )
        try:
            manifest = await asyncio.to_thread(trainer.run, job, data, settings.model_dir)
        except ValueError as error:
            raise Invalid(f"{name}: {error}") from error
        done.append(await _register(db, settings, tenant, manifest, options, used))
    return done


async def _register(db: Database, settings: Settings, tenant: int, manifest: Manifest, options: Options, used: str) -> Trained:
    promote = options.promote
    model_no = await registry.register(db, tenant, manifest)
    before = await _live(db, tenant, manifest.recommender)
    told = verdict.sentence(manifest.recommender, manifest.metrics, before)
    first = before is None and trainer.promotable(manifest)
    if before is None and not promote and verdict.loses(manifest.recommender, manifest.metrics):
        told += "; not live: popular items are the better answer. --promote shows it all the same"
    if promote or first:
        reason = "asked for" if promote else "first model"
        await registry.promote(db, settings.model_dir, tenant, manifest.recommender, manifest.version, reason, options.who)
    log.info("train.done", recommender=manifest.recommender, version=manifest.version, promoted=promote or first, verdict=told)
    return Trained(model_no, manifest, promote or first, used, told)


async def _live(db: Database, tenant: int, recommender: str) -> Manifest | None:
    """Return the manifest of the live model, or None."""
    found = next((model for model in await registry.models(db, tenant, recommender) if model.live), None)
    return Manifest(**found.manifest) if found else None
