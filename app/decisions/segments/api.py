"""What is asked of a segment over HTTP beside its documents: size, people, lists, estimates."""

# long: one room's routes, one below the other

import csv
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import StreamingResponse

from app.access import audit
from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core import clock
from app.core.db import Database
from app.core.errors import BadRequest, Conflict, Invalid, NotFound, TooLarge
from app.core.ids import IdentityKind
from app.core.outage import or_unavailable
from app.core.resources import Db
from app.core.texts import STORABLE
from app.data.conditions.syntax import Wrong
from app.data.segments import estimating, judging, members
from app.data.segments.domain import Program, Segment
from app.data.segments.programs import programs
from app.decisions.segments import schemas
from app.decisions.segments.kind import KIND, worth
from app.documents import service
from app.documents.kinds import Document

router = APIRouter(prefix="/v1/admin", tags=["segments"], responses={**PROTECTED, **problems(503)})
Reader = Annotated[Principal, Depends(require(Scope.ADMIN_READ))]
Editor = Annotated[Principal, Depends(require(Scope.CONTENT))]
PersonReader = Annotated[Principal, Depends(require(Scope.PROFILES, readers=False))]
Name = Annotated[str, Path(max_length=64, pattern=STORABLE)]
_LATER = "Segments cannot be reached now; try again."
_TREND = timedelta(days=30)
_MOST_BYTES = 8_000_000


@router.post("/segments/estimate", responses=problems(422), description="Tell how many people meet a condition now, within a second.")
async def estimate(db: Db, caller: Reader, body: schemas.EstimateIn) -> schemas.EstimateOut:
    """Estimate the size of a condition."""
    with or_unavailable(_LATER):
        try:
            wanted, _ = await estimating.read(db, caller.tenant, body.when)
        except Wrong as error:
            raise Invalid(str(error), errors=[{"field": "when", "message": str(error)}]) from error
        found = await estimating.estimate(db, caller.tenant, wanted)
    return schemas.EstimateOut(**found._asdict(), sentence=wanted.sentence, when=wanted.text, document=wanted.document)


@router.get("/segments/{name}", responses=problems(404), description="Show a segment: its sentence, size, trend, overlap and versions.")
async def show(db: Db, caller: Reader, name: Name) -> schemas.SegmentOut:
    """Show a segment."""
    with or_unavailable(_LATER):
        found = await service.history(db, KIND, caller.tenant, name)
        program = await _program(db, caller.tenant)
        number = found[0].number
        size, people = await members.size(db, caller.tenant, number)
        trend = await members.trend(db, caller.tenant, number, clock.now() - _TREND)
        overlap = await members.overlap(db, caller.tenant, number)
        ready = await judging.is_ready(db, caller.tenant, number, program.versions.get(number))
    live = next((one for one in found if one.published), None)
    judged = next((one for one in program.judged if one.name == name), None)
    named = {number: name for name, number in program.numbers.items()}
    written = Segment.model_validate((live or found[0]).body)
    return schemas.SegmentOut(
        name=name,
        version=live.version if live else None,
        when=judged.condition.text if judged else written.when if isinstance(written.when, str) else None,
        document=judged.condition.document if judged else written.when,
        sentence=judged.condition.sentence if judged else "A list of people." if written.when is None else "",
        size=size,
        people=people,
        ready=ready,
        broken=program.broken.get(name),
        warning=worth(size, people) if ready else None,
        trend=[schemas.SizeOut(at=at, size=count) for at, count in trend],
        overlap=[schemas.OverlapOut(segment=named[one], people=many) for one, many in _most(overlap) if one in named],
        segments=[_version(one) for one in found],
    )  # fmt: skip


@router.get("/segments/{name}/members", responses=problems(404), description="List the people of a segment.")
async def listed(
    db: Db,
    caller: PersonReader,
    name: Name,
    after: Annotated[int, Query(ge=-1, le=2**62, description="Where the page before ended: its `next`.")] = -1,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> schemas.MembersOut:
    """List people of a segment."""
    with or_unavailable(_LATER):
        number = await _number(db, caller.tenant, name)
        found = await members.members(db, caller.tenant, number, after, limit)
        await _read(db, caller, name, f"{len(found)} people")
    return schemas.MembersOut(
        members=[_member(one) for one in found],
        next=found[-1].person_no if len(found) == limit else None,
    )


@router.get(
    "/segments/{name}/members.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}}}, **problems(404)},
    description="All people of a segment as a file: kind and value of the strongest id, and since when.",
)
async def exported(db: Db, caller: PersonReader, name: Name) -> StreamingResponse:
    """Export the people of a segment."""
    with or_unavailable(_LATER):
        number = await _number(db, caller.tenant, name)
        await _read(db, caller, name, "all people, as a file")
    return StreamingResponse(
        lines(db, caller.tenant, number), media_type="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}.csv"'}
    )


async def lines(db: Database, tenant: int, number: int) -> AsyncIterator[str]:
    """Give the people of a segment as CSV, page by page."""
    yield "kind,value,since\r\n"
    async for page in members.everybody(db, tenant, number):
        text = io.StringIO()
        csv.writer(text).writerows((one.kind, one.value, one.since.isoformat()) for one in page)
        yield text.getvalue()


@router.get("/segments/{name}/moves", responses=problems(404), description="Tell who entered a segment and left it, newest first.")
async def moved(
    db: Db,
    caller: Reader,
    name: Name,
    before: Annotated[int, Query(ge=1, le=2**62, description="Where the page before ended: its `next`.")] = 2**62,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> schemas.MovesOut:
    """Tell who came and went."""
    named = caller.may(Scope.PROFILES)
    with or_unavailable(_LATER):
        number = await _number(db, caller.tenant, name)
        found = await members.moves(db, caller.tenant, number, before, limit)
        if named and found:
            await _read(db, caller, name, f"{len(found)} moves")
    return schemas.MovesOut(
        moves=[
            schemas.MoveOut(
                person_no=one.person_no, entered=one.entered, at=one.at,
                kind=one.kind if named else None, value=one.value if named else None,
            )
            for one in found
        ],
        next=found[-1].number if len(found) == limit else None,
    )  # fmt: skip


@router.put(
    "/segments/{name}/list",
    responses=problems(400, 404, 409, 413),
    description="Make people the list of a segment that has no condition: a text with an id a line, `kind` of all of them.",
)
async def put_list(
    request: Request,
    db: Db,
    caller: Editor,
    name: Name,
    kind: Annotated[str, Query(pattern="^(user_id|anonymous_id|email_sha256)$")] = "user_id",
) -> schemas.ListedOut:
    """Upload the list of a segment."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_BYTES:
            raise TooLarge("A list has at most 8 MB; `morsel segments upload` takes larger ones.")
    ids = read_ids(bytes(body))
    with or_unavailable(_LATER):
        found = await upload(db, caller.tenant, name, kind, ids, caller.who)
    return schemas.ListedOut(**found._asdict())


def read_ids(body: bytes) -> list[str]:
    """Return the ids of a text, one a line, the first column where there are several; raises BadRequest."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest("The list is not UTF-8.") from error
    if "\0" in text:
        raise BadRequest("The list holds NUL characters.")
    found = [row[0].strip() for row in csv.reader(io.StringIO(text)) if row and row[0].strip()]
    if found and found[0].casefold() in ("user_id", "id", "userid", "email_sha256", "anonymous_id"):
        found = found[1:]
    if not found:
        raise BadRequest("The list is empty: send an id a line.")
    if len(found) > members.MOST_LISTED:
        raise TooLarge(f"A list has at most {members.MOST_LISTED:,} ids.")
    return list(dict.fromkeys(found))


async def upload(db: Database, tenant: int, name: str, kind: str, ids: list[str], who: str) -> members.Listed:
    """Make people the list of a segment; raises NotFound, and Conflict for one with a condition."""
    live = await service.show(db, KIND, tenant, name)
    if live.body.get("when") is not None:
        raise Conflict(f"The segment {name} has a condition: publish it without `when` first.")
    found = await members.put_list(db, tenant, live.number, IdentityKind[kind.upper()], ids)
    await audit.written(db, tenant, who, "upload", "segment", name, note=f"{found.people} people, {found.unknown} unknown ids")
    return found


def _most(overlap: dict[int, int]) -> list[tuple[int, int]]:
    return sorted(overlap.items(), key=lambda pair: -pair[1])


def _version(one: Document) -> schemas.VersionOut:
    segment = Segment.model_validate(one.body)
    return schemas.VersionOut(name=one.name, version=one.version, published=one.published, draft=one.draft, segment=segment)


def _member(one: members.Member) -> schemas.MemberOut:
    return schemas.MemberOut(user_id=one.value if one.kind == "user_id" else None, kind=one.kind, value=one.value, since=one.since)


async def _number(db: Database, tenant: int, name: str) -> int:
    number = await members.number(db, tenant, name)
    if not number:
        raise NotFound(f"There is no segment named {name!r}.")
    return number


async def _program(db: Database, tenant: int) -> Program:
    async with db.begin() as connection:
        return (await programs(db).of(connection, tenant))[0]


async def _read(db: Database, caller: Principal, name: str, what: str) -> None:
    """Keep in the audit log that people were looked at."""
    await audit.written(db, caller.tenant, caller.who, "read", "segment", name, note=what)
