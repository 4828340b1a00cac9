"""Admin routes of people."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.errors import Invalid, NotFound
from app.core.ids import IdentityKind
from app.data.people import erasing, service, shown, unmerging
from app.data.people.domain import LONGEST_ID, Identity
from app.data.people.schemas import ConsentIn, ConsentOut, ErasedOut, MergeOut, MergesOut, PersonOut, UndoneOut
from app.data.reach import or_unavailable

router = APIRouter(prefix="/v1/admin/people", tags=["people"], responses=PROTECTED)
Editor = Annotated[Principal, Depends(require(Scope.ADMIN))]
Reader = Annotated[Principal, Depends(require(Scope.PROFILES))]
By = Annotated[Literal["user_id", "anonymous_id", "email_sha256"], Query(description="What the id in the path is.")]
UserId = Annotated[str, Path(min_length=1, max_length=LONGEST_ID)]
MergeNo = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("/{user_id}", responses=problems(404, 503))
async def get_person(request: Request, caller: Reader, user_id: UserId, by: By = "user_id") -> PersonOut:
    """Return what is known of a person: ids, consent, traits, history, counts over windows, orders, visits, cart."""
    state = request.app.state
    with or_unavailable("The person cannot be read now; try again."):
        found = await shown.person(state.db, state.settings, caller.tenant, _identity(user_id, by))
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


@router.get("/{user_id}/merges", responses=problems(404, 503))
async def get_merges(request: Request, caller: Editor, user_id: UserId, by: By = "user_id") -> MergesOut:
    """List the newest 1,000 merges of a person's ids, newest first, those that were undone too."""
    with or_unavailable("The merges cannot be read now; ask again."):
        found = await unmerging.merges_of(request.app.state.db, caller.tenant, _identity(user_id, by))
    if found is None:
        raise NotFound("Nobody is known under this id.")
    return MergesOut(merges=[MergeOut.of(one) for one in found])


@router.post("/{user_id}/merges/{merge_no}/undo", responses=problems(404, 503))
async def undo_merge(request: Request, caller: Editor, user_id: UserId, merge_no: MergeNo, by: By = "user_id") -> UndoneOut:
    """Take a merge back: each side has its own events again. Only an alias that happens later makes it anew."""
    state = request.app.state
    with or_unavailable("The merge cannot be undone now; send it again."):
        done = await unmerging.undo(state.db, state.settings, caller.tenant, _identity(user_id, by), merge_no)
        if done is None:
            raise NotFound("This person has no such merge.")
        applied = [await service.wait_applied(state.db, caller.tenant, number) for number in done[1]]
    return UndoneOut(**MergeOut.of(done[0]).model_dump(), applied=all(applied))


@router.delete("/{user_id}", responses=problems(404, 503))
async def erase_person(request: Request, caller: Editor, user_id: UserId, by: By = "user_id") -> ErasedOut:
    """Erase a person with all ids merged with this one; the answer is the receipt. Their events stay, but are nobody's."""
    db = request.app.state.db
    with or_unavailable("The person cannot be erased now; send it again."):
        receipt = await erasing.erase(db, request.app.state.settings, caller.tenant, _identity(user_id, by))
        if receipt is None:
            raise NotFound("Nobody is known under this id.")
        applied = await service.wait_applied(db, caller.tenant, receipt.receipt)
    return ErasedOut(**vars(receipt), applied=applied)


def _identity(value: str, by: str) -> Identity:
    return int(IdentityKind[by.upper()]), value.lower() if by == "email_sha256" else value
