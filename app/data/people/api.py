"""Admin routes of people."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.errors import Invalid
from app.data.people import service
from app.data.people.domain import LONGEST_ID
from app.data.people.schemas import ConsentIn, ConsentOut
from app.data.reach import or_unavailable

router = APIRouter(prefix="/v1/admin/people", tags=["people"], responses=PROTECTED)
Editor = Annotated[Principal, Depends(require(Scope.ADMIN))]
UserId = Annotated[str, Path(min_length=1, max_length=LONGEST_ID)]


@router.put("/{user_id}/consent", responses=problems(503))
async def put_consent(request: Request, caller: Editor, user_id: UserId, consent: ConsentIn) -> ConsentOut:
    """Store whether a person wants personal answers; holds at once, also for people not known yet."""
    state = request.app.state
    try:
        with or_unavailable("The consent cannot be stored now; send it again."):
            number = await service.set_consent(state.db, state.settings, caller.tenant, user_id, consent.personalisation)
            applied = await service.wait_applied(state.db, caller.tenant, number)
    except service.BadId as error:
        raise Invalid(str(error)) from None
    return ConsentOut(user_id=user_id, personalisation=consent.personalisation, applied=applied)
