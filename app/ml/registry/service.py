"""The registry's door: register, list, promote, roll back and load models."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from app.access import audit
from app.core import changes
from app.core.db import Database
from app.core.errors import Conflict, NotFound
from app.core.logging import log
from app.ml.registry import store
from app.ml.registry.artefact import ArtefactError, Manifest, folder, mark, read_manifest
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
class Standing:
    """The live model of a recommender, why it was promoted, and the version that a roll-back would bring, None where there is none."""

    recommender: str
    version: str
    promoted_at: datetime
    reason: str
    previous: str | None


@dataclass(frozen=True)
class Live:
    """The live model of a recommender; `mark` is that of the manifest it was registered with."""

    model_no: int
    recommender: str
    version: str
    promoted_at: datetime
    mark: str


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


async def models(
    db: Database, tenant: int, recommender: str | None = None, before: int | None = None, limit: int | None = None
) -> list[Model]:
    """List the models of a tenant, newest first; at most `limit` of them, with numbers below `before`."""
    current = {row.model_no for row in await store.live(db, tenant)}
    rows = await store.models(db, tenant, recommender, before, limit)
    return [Model(r.model_no, r.recommender, r.version, r.created_at, r.model_no in current, r.manifest) for r in rows]


async def standing(db: Database, tenant: int) -> list[Standing]:
    """Return what is live, by recommender."""
    return [Standing(**row._mapping) for row in await store.standing(db, tenant)]


async def known(db: Database, tenant: int, recommender: str) -> str:
    """Say for an error what there is: the newest versions of a recommender, else which recommenders have models."""
    every = await models(db, tenant)
    if versions := [model.version for model in every if model.recommender == recommender]:
        return f"there are {', '.join(versions[:5])}"
    others = sorted({model.recommender for model in every})
    return f"there is no model of it, but of {', '.join(others)}" if others else "no model was trained yet: see `morsel train`"


async def live(db: Database, tenant: int) -> dict[str, Live]:
    """Return the live model of each recommender that has one."""
    rows = await store.live(db, tenant)
    return {row.recommender: Live(row.model_no, row.recommender, row.version, row.promoted_at, mark(row.manifest)) for row in rows}


async def promote(
    db: Database, models_dir: Path, tenant: int, recommender: str, version: str, reason: str = "", who: str = audit.ITSELF
) -> Live:
    """Make a model live, after its artefact was loaded as serving will; a bad artefact raises Conflict and changes nothing."""
    found = next((m for m in await models(db, tenant, recommender) if m.version == version), None)
    if found is None:
        raise NotFound(f"{recommender} has no version {version}; {await known(db, tenant, recommender)}.")
    place = folder(models_dir, await tenant_name(db, tenant), recommender, version)
    await asyncio.to_thread(_usable, place, mark(found.manifest))
    async with db.begin() as connection:
        await store.lock(connection, tenant, recommender)
        if await store.pruned_at(connection, tenant, recommender, version):
            raise Conflict(f"{recommender} {version} was pruned meanwhile.")
        standing = await store.history(connection, tenant, recommender)
        if not standing or standing[0].model_no != found.model_no:
            await store.add_promotion(connection, tenant, recommender, found.model_no, reason)
            note = f"{version} after {standing[0].version}" if standing else f"{version}, the first one"
            await audit.record(connection, tenant, who, "promote", "model", recommender, note=note)
            await changes.bump(connection, tenant, "models")
    log.info("model.promoted", tenant=tenant, recommender=recommender, version=version)
    return (await live(db, tenant))[recommender]


async def roll_back(db: Database, models_dir: Path, tenant: int, recommender: str, who: str = audit.ITSELF) -> Live:
    """Undo the last promotion, so that the model before it is live again; the history of promotions is kept."""
    name = await tenant_name(db, tenant)
    async with db.begin() as connection:
        await store.lock(connection, tenant, recommender)
        standing = await store.history(connection, tenant, recommender)
        if len(standing) < 2:
            raise Conflict(f"{recommender} has no earlier model to go back to.")
        await asyncio.to_thread(_usable, folder(models_dir, name, recommender, standing[1].version), mark(standing[1].manifest))
        await store.undo_promotion(connection, tenant, standing[0].promotion_no)
        note = f"back to {standing[1].version} from {standing[0].version}"
        await audit.record(connection, tenant, who, "roll back", "model", recommender, note=note)
        await changes.bump(connection, tenant, "models")
    log.info("model.rolled_back", tenant=tenant, recommender=recommender, version=standing[1].version)
    return (await live(db, tenant))[recommender]


async def registered_mark(db: Database, tenant: int, recommender: str, version: str) -> str:
    """Return the `mark` of the manifest that a model was registered with, empty for one that is not registered."""
    return next((mark(model.manifest) for model in await models(db, tenant, recommender) if model.version == version), "")


def load_model(models_dir: Path, tenant_name: str, recommender: str, version: str, registered: str = "") -> LoadedModel:
    """Load an artefact for scoring, the registered one if its `mark` is given; raises ArtefactError, the caller keeps what it has."""
    model = load(folder(models_dir, tenant_name, recommender, version), registered)
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


def _usable(place: Path, registered: str) -> None:
    try:
        load(place, registered)
    except ArtefactError as error:
        raise Conflict(f"The model cannot be used. {error}") from None
