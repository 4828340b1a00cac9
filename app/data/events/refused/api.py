"""Admin routes of refused events."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Query

from app.access import audit
from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.errors import Invalid
from app.core.outage import or_unavailable
from app.core.resources import Configured, Db
from app.core.texts import STORABLE
from app.data.events.refused import service, store
from app.data.events.refused.refusal import Fix, sent
from app.data.events.refused.schemas import FixIn, Forgotten, ReasonOut, RefusedDetail, RefusedList, ReplayIn, ReplayOut, outcome, summary

router = APIRouter(prefix="/v1/admin/refused-events", tags=["events"], responses={**PROTECTED, **problems(503)})
Reader = Annotated[Principal, Depends(require(Scope.ADMIN_READ))]
# what was sent is personal data as it came: reading the rest of the administration does not open it
Editor = Annotated[Principal, Depends(require(Scope.OPERATE, readers=False))]
Number = Annotated[int, Path(ge=1, le=store.HIGHEST - 1)]
Reason = Annotated[str | None, Query(max_length=300, pattern=STORABLE, description="Only those of this reason.")]
Below = Annotated[int, Query(ge=1, le=store.HIGHEST, description="Only numbers below this one: the last one of the page before.")]
Limit = Annotated[int, Query(ge=1, le=500)]
_KIND = "refused event"
_LATER = "Refused events cannot be reached now; try again."


def _became(told: ReplayOut) -> str:
    return f"{told.replayed} done, {told.stored} stored, {told.still_refused} still refused"


@router.get("")
async def list_refused(db: Db, caller: Reader, reason: Reason = None, before: Below = store.HIGHEST, limit: Limit = 100) -> RefusedList:
    """List refused events, the newest first, and how often each reason occurred."""
    with or_unavailable(_LATER):
        rows = await service.listed(db, caller.tenant, reason, before, limit)
        counted = await store.reasons(db, caller.tenant)
    return RefusedList(
        reasons=[ReasonOut(reason=why, count=count, newest=newest) for why, count, newest in counted],
        refused=[summary(row) for row in rows],
    )


@router.get("/{refused_no}", responses=problems(404))
async def show_refused(db: Db, settings: Configured, caller: Editor, refused_no: Number) -> RefusedDetail:
    """Show a refused event with what was sent, which may name a person: the scope is `admin`."""
    with or_unavailable(_LATER):
        row, kept = await service.shown(db, settings, caller.tenant, refused_no)
        await audit.written(db, caller.tenant, caller.who, "read", _KIND, str(refused_no))
    return RefusedDetail(**summary(row).model_dump(), message=sent(kept))


@router.post("/{refused_no}/replay", responses=problems(404))
async def replay_refused(
    db: Db, settings: Configured, caller: Editor, refused_no: Number, fix: Annotated[FixIn, Body()] = FixIn()
) -> ReplayOut:
    """Put a refused event right and store it as if it came now for the first time; one that is still wrong stays, with its new reason."""
    if fix.message is not None and fix.changes is not None:
        raise Invalid("Give either message or changes.")
    with or_unavailable(_LATER):
        told = outcome(await service.replay_one(db, settings, caller.tenant, refused_no, Fix(fix.message, fix.changes)))
        await audit.written(db, caller.tenant, caller.who, "replay", _KIND, str(refused_no), _became(told))
    return told


@router.post("/replay")
async def replay_many(db: Db, settings: Configured, caller: Editor, wanted: ReplayIn) -> ReplayOut:
    """Put all refused events of a reason right in the same way and store them, the oldest first."""
    with or_unavailable(_LATER):
        told = outcome(await service.replay(db, settings, caller.tenant, wanted.reason, wanted.limit, Fix(None, wanted.changes)))
        await audit.written(db, caller.tenant, caller.who, "replay", _KIND, wanted.reason or "all", _became(told))
    return told


@router.delete("/{refused_no}", responses=problems(404))
async def forget_refused(db: Db, caller: Editor, refused_no: Number) -> Forgotten:
    """Forget a refused event."""
    with or_unavailable(_LATER):
        await service.drop_one(db, caller.tenant, refused_no)
        await audit.written(db, caller.tenant, caller.who, "forget", _KIND, str(refused_no))
    return Forgotten(forgotten=1)


@router.delete("")
async def forget_reason(
    db: Db, caller: Editor, reason: Annotated[str, Query(max_length=300, pattern=STORABLE, description="All of this reason.")]
) -> Forgotten:
    """Forget all refused events of a reason."""
    with or_unavailable(_LATER):
        gone = await store.drop_reason(db, caller.tenant, reason)
        await audit.written(db, caller.tenant, caller.who, "forget", _KIND, reason, f"{gone} of them")
    return Forgotten(forgotten=gone)
