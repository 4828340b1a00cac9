"""The registry's door: register, list, promote, roll back and load models."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from app.core import changes
from app.core.db import Database
from app.core.errors import Conflict, NotFound
from app.core.logging import log
from app.ml.registry import store
from app.ml.registry.artefact import ArtefactError, Manifest, folder, read_manifest
from app.ml.registry.loader import LoadedModel, load


@dataclass(frozen=True)
class Model:
    """A registered model; `live` says whether serving uses it."""

    model_no: int
    recommender: str
    version: str
    created_at: datetime
    live: bool
    manifest: dict[str, Any]


@dataclass(frozen=True)
class Live:
    """The live model of a recommender."""

    model_no: int
    recommender: str
    version: str
    promoted_at: datetime


async def tenant_name(db: Database, tenant: int) -> str:
    """Return the tenant's name, which its artefacts lie under."""
    name = await store.tenant_name(db, tenant)
    if name is None:
        raise NotFound(f"There is no tenant {tenant}.")
    return name


async def register(db: Database, tenant: int, manifest: Manifest) -> int:
    """Note a written artefact and return the model's number; it is not live yet."""
    async with db.begin() as connection:
        return await store.add(connection, tenant, manifest.recommender, manifest.version, manifest.document())


async def models(db: Database, tenant: int, recommender: str | None = None) -> list[Model]:
    """List the models of a tenant, newest first."""
    current = {row.model_no for row in await store.live(db, tenant)}
    rows = await store.models(db, tenant, recommender)
    return [Model(r.model_no, r.recommender, r.version, r.created_at, r.model_no in current, r.manifest) for r in rows]


async def live(db: Database, tenant: int) -> dict[str, Live]:
    """Return the live model of each recommender that has one."""
    rows = await store.live(db, tenant)
    return {row.recommender: Live(row.model_no, row.recommender, row.version, row.promoted_at) for row in rows}


async def promote(db: Database, models_dir: Path, tenant: int, recommender: str, version: str, reason: str = "") -> Live:
    """Make a model live, after its artefact was loaded as serving will; a bad artefact raises Conflict and changes nothing."""
    found = next((m for m in await models(db, tenant, recommender) if m.version == version), None)
    if found is None:
        raise NotFound(f"{recommender} has no version {version}.")
    _usable(folder(models_dir, await tenant_name(db, tenant), recommender, version))
    async with db.begin() as connection:
        await store.lock(connection, tenant, recommender)
        standing = await store.history(connection, tenant, recommender)
        if not standing or standing[0].model_no != found.model_no:
            await store.add_promotion(connection, tenant, recommender, found.model_no, reason)
            await changes.bump(connection, tenant, "models")
    log.info("model.promoted", tenant=tenant, recommender=recommender, version=version)
    return (await live(db, tenant))[recommender]


async def roll_back(db: Database, models_dir: Path, tenant: int, recommender: str) -> Live:
    """Undo the last promotion, so that the model before it is live again; the history of promotions is kept."""
    name = await tenant_name(db, tenant)
    async with db.begin() as connection:
        await store.lock(connection, tenant, recommender)
        standing = await store.history(connection, tenant, recommender)
        if len(standing) < 2:
            raise Conflict(f"{recommender} has no earlier model to go back to.")
        _usable(folder(models_dir, name, recommender, standing[1].version))
        await store.undo_promotion(connection, tenant, standing[0].promotion_no)
        await changes.bump(connection, tenant, "models")
    log.info("model.rolled_back", tenant=tenant, recommender=recommender, version=standing[1].version)
    return (await live(db, tenant))[recommender]


def load_model(models_dir: Path, tenant_name: str, recommender: str, version: str) -> LoadedModel:
    """Load an artefact for scoring; raises ArtefactError, and the caller keeps the model it has."""
    model = load(folder(models_dir, tenant_name, recommender, version))
    if (model.manifest.tenant, model.recommender, model.version) != (tenant_name, recommender, version):
        raise ArtefactError(f"{version}: the manifest names {model.manifest.tenant}/{model.recommender}/{model.version}")
    return model


def versions_on_disk(models_dir: Path, tenant_name: str, recommender: str) -> list[str]:
    """Return the versions whose manifest can be read, newest first, for a start without a database."""
    place = folder(models_dir, tenant_name, recommender)
    found = []
    for one in sorted(place.iterdir(), reverse=True) if place.is_dir() else []:
        try:
            found.append(read_manifest(one).version)
        except ArtefactError:
            continue
    return found


def _usable(place: Path) -> None:
    try:
        load(place)
    except ArtefactError as error:
        raise Conflict(f"The model cannot be used. {error}") from None
