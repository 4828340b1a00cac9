"""Admin routes of signals."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.errors import Invalid, NotFound
from app.core.ids import IdentityKind
from app.data.people import identities
from app.data.people.domain import LONGEST_ID
from app.data.reach import or_unavailable
from app.data.signals import engagement, report
from app.data.signals.schemas import Engagement, SignalReport

router = APIRouter(prefix="/v1/admin/signals", tags=["signals"], responses={**PROTECTED, **problems(404, 422, 503)})
Reader = Annotated[Principal, Depends(require(Scope.ADMIN_READ))]
ProfileReader = Annotated[Principal, Depends(require(Scope.PROFILES))]
Name = Annotated[str, Query(max_length=255, pattern=r"^[^\x00]*$")]
Since = Annotated[datetime | None, Query(alias="from", description="From when on; default: 30 days ago.")]
Until = Annotated[datetime | None, Query(alias="to", description="Up to, not including; default: now.")]
UserId = Annotated[str, Path(min_length=1, max_length=LONGEST_ID)]
SilentDays = Annotated[int, Query(ge=1, le=3650, description="Days without an answer after which a person is silent.")]
DAYS = 30
_LATER = "Signals cannot be read now; try again."


@router.get("")
async def get_signals(
    request: Request, caller: Reader, placement: Name = "", campaign: Name = "", since: Since = None, until: Until = None
) -> SignalReport:
    """Count what became of content, what machines did apart, and give rates with their denominators."""
    end = _utc(until) if until else datetime.now(UTC)
    try:
        start = _utc(since) if since else end - timedelta(days=DAYS)
    except OverflowError:
        start = end
    if start >= end:
        raise Invalid("`from` must be before `to`.")
    with or_unavailable(_LATER):
        return await report.report(request.app.state.db, caller.tenant, start, end, placement, campaign)


@router.get("/people/{user_id}")
async def get_engagement(request: Request, caller: ProfileReader, user_id: UserId, silent_days: SilentDays = 90) -> Engagement:
    """Say whether a person answers to letters; somebody who was never mailed is not silent."""
    db = request.app.state.db
    with or_unavailable(_LATER):
        async with db.begin() as connection:
            person = await identities.known(connection, caller.tenant, (int(IdentityKind.USER_ID), user_id))
        if person is None:
            raise NotFound("Nobody is known under this id.")
        found = await engagement.of_person(db, caller.tenant, person.person_no, datetime.now(UTC), silent_days)
    return Engagement(user_id=user_id, **vars(found))


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
