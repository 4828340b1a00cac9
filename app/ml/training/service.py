"""Training's door: from the events of a tenant to a registered model."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from importlib import import_module
from typing import Any

from app.core import clock
from app.core.db import Database
from app.core.errors import Invalid, NotFound
from app.core.logging import log
from app.core.settings import Settings
from app.ml.recommenders.base import Recommender
from app.ml.registry import service as registry
from app.ml.registry.artefact import Manifest
from app.ml.training import dataset, trainer

WINDOW_DAYS = 730.0


@dataclass(frozen=True)
class Trained:
    """What a training run gave; `promoted` says whether the model is live now."""

    model_no: int
    manifest: Manifest
    promoted: bool


@dataclass(frozen=True)
class Options:
    """How to train: end of the data (default: now), its length, hold-out, seed, changed parameters, promotion."""

    until: datetime | None = None
    days: float = WINDOW_DAYS
    holdout_days: float = trainer.HOLDOUT_DAYS
    seed: int = 0
    changes: Mapping[str, str] | None = None
    promote: bool = False


def recommender(catalogue: Mapping[str, str], name: str, changed: Mapping[str, str] | None = None) -> Recommender:
    """Build the recommender of a name from `package.module:Class`, with some parameters changed from text."""
    if name not in catalogue:
        raise NotFound(f"There is no recommender {name}; there are {', '.join(sorted(catalogue))}.")
    module, _, attribute = catalogue[name].partition(":")
    config: Any = getattr(import_module(module), attribute)
    made: Recommender = config()
    return replace(made, **_parsed(made, changed)) if changed else made  # type: ignore[type-var]


async def train(
    db: Database, settings: Settings, tenant: int, names: list[str], catalogue: Mapping[str, str], options: Options | None = None
) -> list[Trained]:
    """Train recommenders on one reading of the events, register them, and promote where asked or where there is no model yet.

    Raises Invalid when there is nothing to learn from or a parameter is wrong, NotFound for an unknown name.
    """
    options = options or Options()
    chosen = {name: recommender(catalogue, name, options.changes) for name in names}
    tenant_name = await registry.tenant_name(db, tenant)
    window = dataset.Window.days(options.until or clock.now(), options.days)
    data = await dataset.read(db, tenant, window, default_consent=settings.default_consent)
    done = []
    for name, config in chosen.items():
        job = trainer.Job(tenant_name, name, config, window, options.seed, settings.history_items, options.holdout_days)
        try:
            manifest = await asyncio.to_thread(trainer.run, job, data, settings.model_dir)
        except ValueError as error:
            raise Invalid(f"{name}: {error}") from error
        done.append(await _register(db, settings, tenant, manifest, options.promote))
    return done


async def _register(db: Database, settings: Settings, tenant: int, manifest: Manifest, promote: bool) -> Trained:
    model_no = await registry.register(db, tenant, manifest)
    first = manifest.recommender not in await registry.live(db, tenant) and trainer.promotable(manifest)
    if promote or first:
        reason = "asked for" if promote else "first model"
        await registry.promote(db, settings.model_dir, tenant, manifest.recommender, manifest.version, reason)
    log.info("train.done", recommender=manifest.recommender, version=manifest.version, promoted=promote or first)
    return Trained(model_no, manifest, promote or first)


def _parsed(config: Any, changed: Mapping[str, str]) -> dict[str, Any]:
    """Read texts as the numbers that the configuration holds; only numbers can be changed this way."""
    kinds = {one.name: type(getattr(config, one.name)) for one in fields(config)}
    values: dict[str, Any] = {}
    for name, text in changed.items():
        if kinds.get(name) not in (int, float):
            numbers = ", ".join(sorted(key for key, kind in kinds.items() if kind in (int, float)))
            raise Invalid(f"{type(config).__name__} has no number {name}; it has {numbers or 'none'}.")
        try:
            values[name] = kinds[name](text)
        except ValueError:
            raise Invalid(f"{name}: {text} is not a number.") from None
    return values
