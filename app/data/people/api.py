"""Admin routes of people."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.errors import Invalid, NotFound
from app.core.ids import IdentityKind
from app.data.people import service, shown
from app.data.people.domain import LONGEST_ID
from app.data.people.schemas import ConsentIn, ConsentOut, PersonOut
from app.data.reach import or_unavailable

router = APIRouter(prefix="/v1/admin/people", tags=["people"], responses=PROTECTED)
Editor = Annotated[Principal, Depends(require(Scope.ADMIN))]
Reader = Annotated[Principal, Depends(require(Scope.PROFILES))]
By = Annotated[Literal["user_id", "anonymous_id", "email_sha256"], Query(description="What the id in the path is.")]
UserId = Annotated[str, Path(min_length=1, max_length=LONGEST_ID)]


@router.get("/{user_id}", responses=problems(404, 503))
async def get_person(request: Request, caller: Reader, user_id: UserId, by: By = "user_id") -> PersonOut:
    """Return what is known of a person: ids, consent, traits, history, counts over windows, orders, visits, cart."""
    state = request.app.state
    value = user_id.lower() if by == "email_sha256" else user_id
    with or_unavailable("The person cannot be read now; try again."):
        found = await shown.person(state.db, state.settings, caller.tenant, (int(IdentityKind[by.upper()]), value))
    if found is None:
        raise NotFound("Nobody is known under this id.")
    return found


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
