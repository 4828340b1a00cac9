"""Admin routes of models."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.data.reach import or_unavailable
from app.ml.registry import service
from app.ml.registry.schemas import LiveOut, ModelList, ModelOut

router = APIRouter(prefix="/v1/admin/models", tags=["models"], responses={**PROTECTED, **problems(503)})
Reader = Annotated[Principal, Depends(require(Scope.ADMIN_READ))]
Editor = Annotated[Principal, Depends(require(Scope.ADMIN))]
Name = Annotated[str, Path(pattern=r"^[a-z0-9_]{1,40}$")]
Version = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,80}$")]
_LATER = "Models cannot be reached now; try again."


@router.get("")
async def list_models(request: Request, caller: Reader) -> ModelList:
    """List all models, newest first."""
    with or_unavailable(_LATER):
        return ModelList(models=[ModelOut.of(model) for model in await service.models(request.app.state.db, caller.tenant)])


@router.post("/{recommender}/{version}/promote", responses=problems(404, 409))
async def promote(request: Request, caller: Editor, recommender: Name, version: Version) -> LiveOut:
    """Make a model live, once its artefact was loaded and checked; servers swap it in without dropping a request."""
    state = request.app.state
    with or_unavailable(_LATER):
        live = await service.promote(state.db, state.settings.model_dir, caller.tenant, recommender, version, "asked for")
    return LiveOut(recommender=live.recommender, version=live.version, promoted_at=live.promoted_at)


@router.post("/{recommender}/rollback", responses=problems(404, 409))
async def roll_back(request: Request, caller: Editor, recommender: Name) -> LiveOut:
    """Go back to the model before the live one."""
    state = request.app.state
    with or_unavailable(_LATER):
        live = await service.roll_back(state.db, state.settings.model_dir, caller.tenant, recommender)
    return LiveOut(recommender=live.recommender, version=live.version, promoted_at=live.promoted_at)
