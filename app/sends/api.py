"""Admin routes of sends."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.outage import or_unavailable
from app.core.resources import Configured, Db
from app.sends import service
from app.sends.schemas import Announced, NewSend, SendDetail, SendList, SendOut

router = APIRouter(prefix="/v1/admin/sends", tags=["sends"], responses={**PROTECTED, **problems(503)})
Reader = Annotated[Principal, Depends(require(Scope.ADMIN_READ))]
Editor = Annotated[Principal, Depends(require(Scope.CONTENT))]
SendNo = Annotated[int, Path(ge=1, le=2**31 - 1)]
DryRun = Annotated[bool, Query(description="Answer the same and keep nothing.")]
_LATER = "Sends cannot be reached now; try again."


@router.post("", status_code=201, responses={200: {"model": Announced, "description": "A dry run: nothing was kept."}})
async def announce_send(
    db: Db, settings: Configured, response: Response, caller: Editor, wanted: NewSend, dry_run: DryRun = False
) -> Announced:
    """Announce a send: its audience is prewarmed in the background, and the answer says what will not fit."""
    with or_unavailable(_LATER):
        made = await service.announce(db, settings, settings.redis_url, caller.tenant, wanted, dry_run=dry_run, who=caller.who)
    if dry_run:
        response.status_code = 200
    return made


@router.get("")
async def list_sends(
    db: Db,
    caller: Reader,
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="The `next` of the page before.")] = None,
    q: Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$", description="A part of the name or the placement.")] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> SendList:
    """List the newest sends with their progress."""
    with or_unavailable(_LATER):
        return await service.listed(db, caller.tenant, limit, before, q)


@router.get("/{send_no}", responses=problems(404))
async def show_send(db: Db, settings: Configured, caller: Reader, send_no: SendNo) -> SendDetail:
    """Show a send: its progress, its forecast, and what is wrong with it now."""
    with or_unavailable(_LATER):
        return await service.shown(db, settings, settings.redis_url, caller.tenant, send_no)


@router.delete("/{send_no}", responses=problems(404, 409))
async def cancel_send(db: Db, caller: Editor, send_no: SendNo) -> SendOut:
    """Call a send off: prewarming stops within a second, and its audience is forgotten."""
    with or_unavailable(_LATER):
        return await service.cancel(db, caller.tenant, send_no, caller.who)
