"""Admin routes of signals."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.errors import Invalid, NotFound
from app.core.outage import or_unavailable
from app.core.paths import IdRoute
from app.core.resources import Configured, Db
from app.data.engagement import person as engagement
from app.data.engagement import report
from app.data.engagement.schemas import Engagement, SignalReport
from app.data.identity import store, watched
from app.data.identity.domain import LONGEST_ID, identity_of

router = APIRouter(prefix="/v1/admin/signals", tags=["signals"], responses={**PROTECTED, **problems(404, 422, 503)}, route_class=IdRoute)
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
    db: Db, caller: Reader, placement: Name = "", campaign: Name = "", since: Since = None, until: Until = None
) -> SignalReport:
    """Count what became of content, what machines did apart, and give rates with their denominators."""
    end = _utc(until, "to") if until else datetime.now(UTC)
    try:
        start = _utc(since, "from") if since else end - timedelta(days=DAYS)
    except OverflowError:
        start = end
    if start >= end:
        raise Invalid("`from` must be before `to`.")
    with or_unavailable(_LATER):
        return await report.report(db, caller.tenant, start, end, placement, campaign)


@router.get("/people/{user_id:id}")
async def get_engagement(db: Db, settings: Configured, caller: ProfileReader, user_id: UserId, silent_days: SilentDays = 90) -> Engagement:
    """Say whether a person answers to letters; somebody who was never mailed is not silent."""
    with or_unavailable(_LATER):
        await watched.read(db, settings, caller.tenant, caller.who, identity_of(user_id, "user_id"), "letters")
        async with db.begin() as connection:
            person = await store.known(connection, caller.tenant, identity_of(user_id, "user_id"))
        if person is None:
            raise NotFound("Nobody is known under this id.")
        found = await engagement.of_person(db, caller.tenant, person.person_no, datetime.now(UTC), silent_days)
    return Engagement(user_id=user_id, **vars(found))


def _utc(moment: datetime, field: str) -> datetime:
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise Invalid(f"`{field}` is before the year 1 or after 9999 in UTC.") from None
