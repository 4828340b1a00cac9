"""Admin routes of dry runs that the worker makes."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.outage import or_unavailable
from app.core.resources import Db
from app.serving.dry_run.runs import service
from app.serving.dry_run.runs.schemas import RunOut

router = APIRouter(prefix="/v1/admin/dry-runs", tags=["dry runs"], responses={**PROTECTED, **problems(404, 503)})
Reader = Annotated[Principal, Depends(require(Scope.CONTENT, Scope.ADMIN_READ))]
Editor = Annotated[Principal, Depends(require(Scope.CONTENT))]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
_LATER = "Dry runs cannot be reached now; try again."


@router.get("/{run_no}")
async def show_dry_run(db: Db, caller: Reader, run_no: Number) -> RunOut:
    """Say how far a dry run of the worker is, and what would change once it is done."""
    with or_unavailable(_LATER):
        return await service.show(db, caller.tenant, run_no)


@router.delete("/{run_no}", responses=problems(409))
async def cancel_dry_run(db: Db, caller: Editor, run_no: Number) -> RunOut:
    """Call a dry run off; it ends within a second."""
    with or_unavailable(_LATER):
        return await service.cancel(db, caller.tenant, run_no)
