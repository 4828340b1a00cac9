"""Deleting the files of old models: never those that serve, that one may roll back to, or that a kept serve names."""

import asyncio
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from app.core.db import Database
from app.core.errors import NotFound
from app.core.logging import log
from app.ml.registry import service, store
from app.ml.registry.artefact import folder

KEEP = 5
_LEFTOVER_S = 86_400.0
"""Age after which a folder that a broken run left is no run's any more."""


@dataclass(frozen=True)
class Pruned:
    """A model whose files are deleted, or would be; `bytes` is what they take on disk."""

    recommender: str
    version: str
    bytes: int


async def prune(
    db: Database, models_dir: Path, tenant: int, keep: int = KEEP, recommender: str | None = None, *, dry_run: bool = False
) -> list[Pruned]:
    """Delete all but the newest `keep` models of each recommender (or of one); return those, or with `dry_run` what would go.

    The live model, the one before it and those that stored serves name stay. Promotions and their history stay. Raises NotFound for a
    recommender without models.
    """
    name = await service.tenant_name(db, tenant)
    by_recommender: dict[str, list[service.Model]] = {}
    for model in await service.models(db, tenant, recommender):
        by_recommender.setdefault(model.recommender, []).append(model)
    if recommender and not by_recommender:
        raise NotFound(f"{recommender} has no model: {await service.known(db, tenant, recommender)}.")
    gone = []
    for one, found in sorted(by_recommender.items()):
        old = await _claim(db, tenant, one, found[max(0, keep) :], dry_run=dry_run)
        for model in old:
            place = folder(models_dir, name, one, model.version)
            gone.append(Pruned(one, model.version, await asyncio.to_thread(size_of, place)))
            if not dry_run:
                await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
                log.info("model.pruned", tenant=tenant, recommender=one, version=model.version)
        if not dry_run:
            await asyncio.to_thread(_sweep, folder(models_dir, name, one))
    return gone


def size_of(place: Path) -> int:
    """Return how many bytes the files of an artefact take."""
    return sum(path.stat().st_size for path in place.iterdir() if path.is_file()) if place.is_dir() else 0


async def _claim(db: Database, tenant: int, recommender: str, old: list[service.Model], *, dry_run: bool) -> list[service.Model]:
    """Mark those of some models that may go, so that nobody promotes one whose files vanish."""
    async with db.begin() as connection:
        await store.lock(connection, tenant, recommender)
        standing = {row.model_no for row in (await store.history(connection, tenant, recommender))[:2]}
        rest = [model for model in old if model.model_no not in standing]
        named = await store.served(connection, tenant, [model.model_no for model in rest])
        rest = [model for model in rest if model.model_no not in named]
        if rest and not dry_run:
            await store.mark_pruned(connection, tenant, [model.model_no for model in rest])
    return rest


def _sweep(place: Path) -> None:
    """Delete what broken runs left half written."""
    for path in place.glob(".*") if place.is_dir() else []:
        if path.is_dir() and time.time() - path.stat().st_mtime > _LEFTOVER_S:
            shutil.rmtree(path, ignore_errors=True)
