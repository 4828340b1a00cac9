"""Admin routes of events: the newest ones, and what among them nobody knew."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.db import Database, driver
from app.core.errors import Invalid, NotFound
from app.core.outage import or_unavailable
from app.core.resources import Configured, Db
from app.core.texts import STORABLE
from app.data.events.tail import service, store
from app.data.events.tail.schemas import EventPage, Unknown
from app.data.events.tail.store import Wanted
from app.data.identity import watched
from app.data.identity.domain import LONGEST_ID, identity_of
from app.data.kinds import KIND_NAMES

router = APIRouter(prefix="/v1/admin/events", tags=["events"], responses={**PROTECTED, **problems(400, 422, 503)})
Reader = Annotated[Principal, Depends(require(Scope.ADMIN_READ))]
Name = Annotated[str, Query(max_length=LONGEST_ID, pattern=STORABLE)]
Cursor = Annotated[str, Query(max_length=100, pattern=STORABLE)]
By = Annotated[Literal["user_id", "anonymous_id", "email_sha256"], Query(description="What `person` is.")]
Days = Annotated[int, Query(ge=1, le=90, description="So many days back, at most the newest 20,000 events.")]
_LATER = "Events cannot be read now; try again."
_SOURCE = "select source_no from event_source where tenant = :tenant and name = :name"
_ITEM = "select item_no from item where tenant = :tenant and item_id = :name"


# long: each argument is a parameter of the route
@router.get("", responses=problems(404))
async def list_events(
    db: Db,
    settings: Configured,
    caller: Reader,
    kind: Name = "",
    source: Name = "",
    item: Name = "",
    person: Name = "",
    by: By = "user_id",
    before: Cursor = "",
    after: Cursor = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> EventPage:
    """List events, newest first, of a kind, a source (`live`: by HTTP), an item, a person; whose they are takes the scope `profiles`."""
    if kind and kind not in KIND_NAMES:
        raise Invalid(f"There is no kind {kind}; there are {', '.join(KIND_NAMES)}.")
    with_people = caller.may(Scope.PROFILES)
    with or_unavailable(_LATER):
        people = None
        if person.strip():
            identity = identity_of(person, by)
            await watched.read(db, settings, caller.tenant, caller.who, identity, "events")
            async with db.begin() as connection:
                people = await store.members(await driver(connection), caller.tenant, identity)
            if not people:
                raise NotFound("Nobody is known under this id.")
        elif with_people:
            await watched.noted(db, caller.tenant, caller.who, watched.EVERYBODY, "events")
        wanted = Wanted(
            kind=int(KIND_NAMES[kind]) if kind else None,
            source_no=0 if source == service.LIVE else await _number(db, _SOURCE, caller.tenant, source, "source"),
            item_no=await _number(db, _ITEM, caller.tenant, item, "item"),
            people=people,
        )
        return await service.page(db, caller.tenant, wanted, before, after, limit, with_people=with_people)


@router.get("/unknown")
async def list_unknown(db: Db, settings: Configured, caller: Reader, days: Days = 7) -> Unknown:
    """Tell what was stored though its name stands for no kind or its item is in no catalogue, among the newest events."""
    with or_unavailable(_LATER):
        return await service.unknown(db, settings, caller.tenant, days)


async def _number(db: Database, sql: str, tenant: int, name: str, what: str) -> int | None:
    if not name.strip():
        return None
    rows = await db.rows(sql, tenant=tenant, name=name.strip())
    if not rows:
        raise NotFound(f"There is no {what} of this name.")
    return int(rows[0][0])
