"""Admin routes of refused events."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Query, Request

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.errors import Invalid
from app.data.events.refusals import service, store
from app.data.events.refusals.domain import Fix, sent
from app.data.events.refusals.schemas import (
    FixIn,
    Forgotten,
    ReasonOut,
    RefusedDetail,
    RefusedList,
    ReplayIn,
    ReplayOut,
    outcome,
    summary,
)
from app.data.reach import or_unavailable

router = APIRouter(prefix="/v1/admin/refused-events", tags=["events"], responses={**PROTECTED, **problems(503)})
Reader = Annotated[Principal, Depends(require(Scope.ADMIN_READ))]
Editor = Annotated[Principal, Depends(require(Scope.ADMIN))]
Number = Annotated[int, Path(ge=1, le=store.HIGHEST - 1)]
Reason = Annotated[str | None, Query(max_length=300, description="Only those of this reason.")]
Below = Annotated[int, Query(ge=1, le=store.HIGHEST, description="Only numbers below this one: the last one of the page before.")]
Limit = Annotated[int, Query(ge=1, le=500)]
_LATER = "Refused events cannot be reached now; try again."


@router.get("")
async def list_refused(
    request: Request, caller: Reader, reason: Reason = None, before: Below = store.HIGHEST, limit: Limit = 100
) -> RefusedList:
    """List refused events, the newest first, and how often each reason occurred."""
    db = request.app.state.db
    with or_unavailable(_LATER):
        rows = await service.listed(db, caller.tenant, reason, before, limit)
        counted = await store.reasons(db, caller.tenant)
    return RefusedList(
        reasons=[ReasonOut(reason=why, count=count, newest=newest) for why, count, newest in counted],
        refused=[summary(row) for row in rows],
    )


@router.get("/{refused_no}", responses=problems(404))
async def show_refused(request: Request, caller: Editor, refused_no: Number) -> RefusedDetail:
    """Show a refused event with what was sent, which may name a person: the scope is `admin`."""
    state = request.app.state
    with or_unavailable(_LATER):
        row, kept = await service.shown(state.db, state.settings, caller.tenant, refused_no)
    return RefusedDetail(**summary(row).model_dump(), message=sent(kept))


@router.post("/{refused_no}/replay", responses=problems(404))
async def replay_refused(request: Request, caller: Editor, refused_no: Number, fix: Annotated[FixIn, Body()] = FixIn()) -> ReplayOut:
    """Put a refused event right and store it as if it came now for the first time; one that is still wrong stays, with its new reason."""
    if fix.message is not None and fix.changes is not None:
        raise Invalid("Give either message or changes.")
    state = request.app.state
    with or_unavailable(_LATER):
        return outcome(
            await service.replay_one(state.db, state.settings, caller.tenant, refused_no, Fix(fix.message, fix.changes)),
        )


@router.post("/replay")
async def replay_many(request: Request, caller: Editor, wanted: ReplayIn) -> ReplayOut:
    """Put all refused events of a reason right in the same way and store them, the oldest first."""
    state = request.app.state
    with or_unavailable(_LATER):
        return outcome(
            await service.replay(state.db, state.settings, caller.tenant, wanted.reason, wanted.limit, Fix(None, wanted.changes)),
        )


@router.delete("/{refused_no}", responses=problems(404))
async def forget_refused(request: Request, caller: Editor, refused_no: Number) -> Forgotten:
    """Forget a refused event."""
    with or_unavailable(_LATER):
        await service.drop_one(request.app.state.db, caller.tenant, refused_no)
    return Forgotten(forgotten=1)


@router.delete("")
async def forget_reason(
    request: Request, caller: Editor, reason: Annotated[str, Query(max_length=300, description="All of this reason.")]
) -> Forgotten:
    """Forget all refused events of a reason."""
    with or_unavailable(_LATER):
        return Forgotten(forgotten=await store.drop_reason(request.app.state.db, caller.tenant, reason))
