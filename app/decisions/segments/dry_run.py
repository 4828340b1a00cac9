"""What a draft of a segment would do to people who did something lately."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path

from app.access import audit
from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core import clock
from app.core.db import Database
from app.core.errors import Invalid
from app.core.outage import or_unavailable
from app.core.resources import Db
from app.core.texts import STORABLE
from app.data.conditions.syntax import Wrong
from app.data.people.everyone import named as people_of
from app.data.segments import estimating
from app.data.segments.recent import recent
from app.decisions.segments import schemas
from app.decisions.segments.kind import KIND
from app.documents.kinds import named

router = APIRouter(prefix="/v1/admin", tags=["segments"], responses={**PROTECTED, **problems(503)})
_LATELY = timedelta(hours=1)
_EXAMPLES = 10


@router.post(
    "/segments/{name}/dry-run",
    responses=problems(422),
    description="Tell which people who had events in the last hour a draft of a condition would let in, and who would enter and leave.",
)
async def dry_run(
    db: Db,
    caller: Annotated[Principal, Depends(require(Scope.CONTENT))],
    name: Annotated[str, Path(max_length=200, pattern=STORABLE)],
    body: schemas.EstimateIn,
) -> schemas.DryRunOut:
    """Try a draft of a segment."""
    with or_unavailable("Nothing can be tried now; try again."):
        return await tried(db, caller, name, body.when)


async def tried(db: Database, caller: Principal, name: str, when: str | dict[str, Any]) -> schemas.DryRunOut:
    """Judge people of the last hour by a draft of a segment; raises Invalid where the draft cannot be read."""
    named(KIND, name)
    since = clock.now() - _LATELY
    try:
        wanted, _ = await estimating.read(db, caller.tenant, when)
    except Wrong as error:
        raise Invalid(str(error), errors=[{"field": "when", "message": str(error)}]) from error
    found = await recent(db, caller.tenant, name, wanted, since)
    entering, leaving = await _examples(db, caller, name, found.entering), await _examples(db, caller, name, found.leaving)
    return schemas.DryRunOut(
        name=name, sentence=wanted.sentence, when=wanted.text, since=since, people=found.people, published=found.published,
        draft=found.draft, entering=len(found.entering), leaving=len(found.leaving), cut=found.cut, entering_examples=entering,
        leaving_examples=leaving,
    )  # fmt: skip


async def _examples(db: Database, caller: Principal, name: str, people: Sequence[int]) -> list[schemas.ExampleOut]:
    """Return some people by their ids for whoever may read profiles, and keep in the audit log that they were looked at."""
    if not people or not caller.may(Scope.PROFILES):
        return []
    found = await people_of(db, caller.tenant, people[:_EXAMPLES])
    await audit.written(db, caller.tenant, caller.who, "read", "segment", name, note=f"{len(found)} people of a dry run")
    return [schemas.ExampleOut(kind=one.parameter, value=one.value) for one in found.values()]
