"""Admin routes of models."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.db import Database
from app.core.errors import NotFound
from app.core.outage import or_unavailable
from app.core.resources import Configured, Db
from app.ml.registry import details, service
from app.ml.registry.schemas import Beside, LiveOut, ModelDetails, ModelList, ModelOut, StandingOut

router = APIRouter(prefix="/v1/admin/models", tags=["models"], responses={**PROTECTED, **problems(503)})
Reader = Annotated[Principal, Depends(require(Scope.ADMIN_READ))]
Editor = Annotated[Principal, Depends(require(Scope.OPERATE))]
Name = Annotated[str, Path(pattern=r"^[a-z0-9_]{1,40}$")]
Version = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,80}$")]
Before = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="The `next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=500)]
_LATER = "Models cannot be reached now; try again."


@router.get("")
async def list_models(db: Db, caller: Reader, before: Before = None, limit: Limit = 200) -> ModelList:
    """List all models, newest first, and which are live."""
    with or_unavailable(_LATER):
        return await _listed(db, caller.tenant, None, before, limit)


@router.get("/{recommender}", responses=problems(404))
async def list_of(db: Db, caller: Reader, recommender: Name, before: Before = None, limit: Limit = 200) -> ModelList:
    """List the models of one recommender, newest first, and which is live."""
    with or_unavailable(_LATER):
        found = await _listed(db, caller.tenant, recommender, before, limit)
        if not found.models and before is None:
            raise NotFound(f"{recommender} has no model: {await service.known(db, caller.tenant, recommender)}.")
        return found


async def _listed(db: Database, tenant: int, recommender: str | None, before: int | None, limit: int) -> ModelList:
    found = await service.models(db, tenant, recommender, before, limit + 1)
    live = [StandingOut(**vars(one)) for one in await service.standing(db, tenant) if recommender in (None, one.recommender)]
    more = found[limit - 1].model_no if len(found) > limit else None
    return ModelList(models=[ModelOut.of(model) for model in found[:limit]], live=live, next=more)


@router.get("/{recommender}/{version}", responses=problems(404))
async def show_model(db: Db, settings: Configured, caller: Reader, recommender: Name, version: Version) -> ModelDetails:
    """Show a model: figures, window, events, parameters, size, and which version is live; `live` names the version that serves."""
    with or_unavailable(_LATER):
        found = await details.details(db, settings.model_dir, caller.tenant, recommender, version)
    return ModelDetails.model_validate(found.document())


@router.get("/{recommender}/{version}/compare", responses=problems(404))
async def compare(
    db: Db,
    settings: Configured,
    caller: Reader,
    recommender: Name,
    version: Version,
    other: Annotated[str, Query(alias="with", pattern=r"^[a-z0-9_]{1,40}/[A-Za-z0-9._-]{1,80}$", description="RECOMMENDER/VERSION.")],
) -> Beside:
    """Show a model beside another one: each figure of both with the difference, and the parameters that differ."""
    name, _, second = other.partition("/")
    with or_unavailable(_LATER):
        mine = await details.details(db, settings.model_dir, caller.tenant, recommender, version)
        theirs = await details.details(db, settings.model_dir, caller.tenant, name, second)
    return Beside.model_validate(details.beside(mine.document(), theirs.document()))


@router.post("/{recommender}/{version}/promote", responses=problems(404, 409))
async def promote(db: Db, settings: Configured, caller: Editor, recommender: Name, version: Version) -> LiveOut:
    """Make a model live, once its artefact was loaded and checked; servers swap it in without dropping a request."""
    with or_unavailable(_LATER):
        live = await service.promote(db, settings.model_dir, caller.tenant, recommender, version, "asked for", caller.who)
    return LiveOut(recommender=live.recommender, version=live.version, promoted_at=live.promoted_at)


@router.post("/{recommender}/rollback", responses=problems(404, 409))
async def roll_back(db: Db, settings: Configured, caller: Editor, recommender: Name) -> LiveOut:
    """Go back to the model before the live one."""
    with or_unavailable(_LATER):
        live = await service.roll_back(db, settings.model_dir, caller.tenant, recommender, caller.who)
    return LiveOut(recommender=live.recommender, version=live.version, promoted_at=live.promoted_at)
