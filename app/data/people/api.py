"""Admin routes of people."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Path, Query

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.errors import Invalid, NotFound
from app.core.outage import or_unavailable
from app.core.paths import IdRoute
from app.core.resources import Configured, Db
from app.core.texts import STORABLE
from app.data.identity import unmerging, watched
from app.data.identity.domain import LONGEST_ID, identity_of
from app.data.people import finding, traits, view
from app.data.people.schemas import (
    ConsentIn,
    ConsentOut,
    ErasedOut,
    FoundPeople,
    MergeOut,
    MergesOut,
    PersonOut,
    TraitsOut,
    UndoneOut,
    traits_out,
)
from app.data.privacy import consent as service
from app.data.privacy import erasing

router = APIRouter(prefix="/v1/admin/people", tags=["people"], responses=PROTECTED, route_class=IdRoute)
Editor = Annotated[Principal, Depends(require(Scope.OPERATE))]
Reader = Annotated[Principal, Depends(require(Scope.PROFILES))]
By = Annotated[Literal["user_id", "anonymous_id", "email_sha256"], Query(description="What the id in the path is.")]
Asked = Annotated[str, Query(max_length=320, pattern=STORABLE, description="Any id, an e-mail address, or the beginning of an id.")]
Limit = Annotated[int, Query(ge=1, le=200)]
Before = Annotated[str, Query(max_length=1_000, pattern=STORABLE, description="Where the page before ended: its `next`.")]
UserId = Annotated[str, Path(min_length=1, max_length=LONGEST_ID)]
Patch = Annotated[dict[str, Any], Body(description="Traits by name, or null to take one away.", examples=[{"city": "Paris", "plan": None}])]
MergeNo = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("", responses=problems(400, 503))
async def list_people(db: Db, caller: Reader, q: Asked = "", limit: Limit = 50, before: Before = "") -> FoundPeople:
    """List people: those last seen, or, with `q`, those of an id, of an e-mail address, and whose ids begin so."""
    with or_unavailable("People cannot be found now; try again."):
        return await finding.find(db, caller.tenant, q, limit, before)


@router.put("/{user_id:id}/consent", responses=problems(503))
async def put_consent(db: Db, settings: Configured, caller: Editor, user_id: UserId, consent: ConsentIn) -> ConsentOut:
    """Store what a person said: personal answers, analytics, e-mail, tracking, sale; holds at once, also for people not known yet."""
    try:
        with or_unavailable("The consent cannot be stored now; send it again."):
            number = await service.set_purposes(db, settings, caller.tenant, user_id, consent.said(), who=caller.who)
            applied = await service.wait_applied(db, caller.tenant, number)
            personalisation, found = await view.purposes(db, settings, caller.tenant, identity_of(user_id, "user_id"))
    except service.BadId as error:
        raise Invalid(str(error)) from None
    holds = {name: one.granted for name, one in found.items()}
    return ConsentOut(user_id=user_id, personalisation=personalisation, purposes=holds, applied=applied)


@router.patch("/{user_id:id}/traits", responses=problems(404, 409, 503))
async def patch_traits(db: Db, settings: Configured, caller: Editor, user_id: UserId, patch: Patch, by: By = "user_id") -> TraitsOut:
    """Change traits of a person by a JSON merge patch: null takes one away; all of it or nothing. Holds also for people not known yet."""
    with or_unavailable("Traits cannot be changed now; send it again."):
        found = await traits.change(db, settings, caller.tenant, identity_of(user_id, by), patch, who=caller.who)
    return TraitsOut(user_id=user_id, **traits_out(found))


@router.get("/{user_id:id}/merges", responses=problems(404, 503))
async def get_merges(db: Db, settings: Configured, caller: Editor, user_id: UserId, by: By = "user_id") -> MergesOut:
    """List the newest 1,000 merges of a person's ids, newest first, those that were undone too."""
    with or_unavailable("The merges cannot be read now; ask again."):
        await watched.read(db, settings, caller.tenant, caller.who, identity_of(user_id, by), "merges")
        found = await unmerging.merges_of(db, caller.tenant, identity_of(user_id, by))
    if found is None:
        raise NotFound("Nobody is known under this id.")
    return MergesOut(merges=[MergeOut.of(one) for one in found])


@router.post("/{user_id:id}/merges/{merge_no}/undo", responses=problems(404, 503))
async def undo_merge(db: Db, settings: Configured, caller: Editor, user_id: UserId, merge_no: MergeNo, by: By = "user_id") -> UndoneOut:
    """Take a merge back: each side has its own events again. Only an alias that happens later makes it anew."""
    with or_unavailable("The merge cannot be undone now; send it again."):
        done = await unmerging.undo(db, settings, caller.tenant, identity_of(user_id, by), merge_no, who=caller.who)
        if done is None:
            raise NotFound("This person has no such merge.")
        applied = [await service.wait_applied(db, caller.tenant, number) for number in done[1]]
    return UndoneOut(**MergeOut.of(done[0]).model_dump(), applied=all(applied))


@router.delete("/{user_id:id}", responses=problems(404, 503))
async def erase_person(db: Db, settings: Configured, caller: Editor, user_id: UserId, by: By = "user_id") -> ErasedOut:
    """Erase a person with all ids merged with this one; the answer is the receipt. Their events stay, but are nobody's."""
    with or_unavailable("The person cannot be erased now; send it again."):
        receipt = await erasing.erase(db, settings, caller.tenant, identity_of(user_id, by), who=caller.who)
        if receipt is None:
            raise NotFound("Nobody is known under this id.")
        applied = await service.wait_applied(db, caller.tenant, receipt.receipt)
    return ErasedOut(**vars(receipt), applied=applied)


# last: an id may hold slashes, and the routes above end in a word of their own
@router.get("/{user_id:id}", responses=problems(404, 503))
async def get_person(db: Db, settings: Configured, caller: Reader, user_id: UserId, by: By = "user_id") -> PersonOut:
    """Return what is known of a person: ids, consent, traits, history, counts over windows, orders, visits, cart."""
    with or_unavailable("The person cannot be read now; try again."):
        await watched.read(db, settings, caller.tenant, caller.who, identity_of(user_id, by))
        found = await view.person(db, settings, caller.tenant, identity_of(user_id, by))
    if found is None:
        raise NotFound("Nobody is known under this id.")
    return found
