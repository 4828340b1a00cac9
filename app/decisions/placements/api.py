"""Admin routes of placements."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.data.reach import or_unavailable
from app.decisions.placements import service
from app.decisions.placements.domain import Placement
from app.decisions.placements.schemas import PlacementList, PlacementOut

router = APIRouter(prefix="/v1/admin/placements", tags=["placements"], responses={**PROTECTED, **problems(503)})
Reader = Annotated[Principal, Depends(require(Scope.ADMIN_READ))]
Editor = Annotated[Principal, Depends(require(Scope.ADMIN))]
PlacementName = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
_LATER = "Placements cannot be reached now; try again."


@router.get("")
async def list_placements(request: Request, caller: Reader) -> PlacementList:
    """List the published placements."""
    with or_unavailable(_LATER):
        found = await service.listed(request.app.state.db, caller.tenant)
    return PlacementList(placements=[PlacementOut.of(document) for document in found])


@router.get("/{name}", responses=problems(404))
async def list_versions(request: Request, caller: Reader, name: PlacementName) -> PlacementList:
    """List all versions of a placement, newest first."""
    with or_unavailable(_LATER):
        found = await service.history(request.app.state.db, caller.tenant, name)
    return PlacementList(placements=[PlacementOut.of(document) for document in found])


@router.put("/{name}")
async def publish_placement(request: Request, caller: Editor, name: PlacementName, placement: Placement) -> PlacementOut:
    """Publish a new version of a placement; it shows in answers within a second."""
    with or_unavailable(_LATER):
        return PlacementOut.of(await service.publish(request.app.state.db, caller.tenant, name, placement))
