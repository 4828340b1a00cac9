"""Segments: who belongs together; how many they are, who, since when, and what else they are in."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from starlette.datastructures import UploadFile
from starlette.responses import Response, StreamingResponse

from app.dashboard.api_client import ApiProblem, part
from app.dashboard.charts import svg
from app.dashboard.charts.svg import Line
from app.dashboard.context import Here, Visit
from app.dashboard.pages.content import editing
from app.dashboard.pages.content.editing import DocumentPages
from app.dashboard.pages.data.people import BY, address
from app.dashboard.render import moment, number, percent, query
from app.dashboard.ui.table import Column, Table

KIND = DocumentPages(
    "segments", "segment", (("about", "Overview", ""), ("people", "People", "/people"), ("moves", "Came and went", "/moves")), "/edit"
)
router = APIRouter(prefix="/segments")
editing.add_routes(router, KIND)
_COLUMNS = (
    Column("name", "Segment"), Column("size", "People", "number"), Column("share", "Share", "share", wide=True),
    Column("spark", "14 days", sortable=False, wide=True), Column("said", "Who", wide=True),
    Column("description", "What for", wide=True), Column("state", "", "badge"),
)  # fmt: skip
_OVERLAP = (Column("segment", "Segment"), Column("people", "People in both", "number"), Column("share", "Of this one", "share"))
_PEOPLE = (Column("value", "Person", sortable=False), Column("what", "Known by", "badge", wide=True), Column("since", "Since", "when"))
_MOVES = (Column("who", "Person", sortable=False), Column("what", "", "badge", sortable=False), Column("at", "When", "when"))
_MOST_SHOWN, _MOST_BARS, _MOST_POINTS = 500, 12, 180
_PAGE = 100


@router.get("")
async def segments(visit: Here, q: str = "") -> Response:
    """Show all published segments, or those that hold a word."""
    found = await visit.api.get("/v1/admin/segments")
    word = q.strip().casefold()
    rows = [_row(one, found["people"]) for one in found["segments"]]
    rows = [one for one in rows if word in f"{one['name']} {one['said']} {one['description']} {one['when']}".casefold()]
    empty = "No segment has this in its name, or says it." if q else "There is no segment yet: make the first one."
    more = f"{_MOST_SHOWN} are shown: type to find others" if len(rows) > _MOST_SHOWN else ""
    table = Table("segments", _COLUMNS, rows[:_MOST_SHOWN], link="to", total=len(rows), empty=empty, too_much=more)
    if visit.request.headers.get("x-part"):
        return visit.piece("segments/segments_found.html", table=table)
    return visit.page("segments/segments.html", table=table, q=q, people=found["people"])


def _row(one: dict[str, Any], people: int) -> dict[str, Any]:
    return {
        "name": one["name"], "size": one["size"], "share": one["size"] / people if people else None,
        "spark": svg.sparkline([float(size) for size in [*one["trend"], one["size"]]], f"People in {one['name']} over 14 days"),
        "said": one["sentence"], "description": one["segment"]["description"], "when": one["segment"]["when"] or "",
        "state": state(one), "to": f"/segments/{part(one['name'])}",
    }  # fmt: skip


def state(one: dict[str, Any]) -> tuple[str, str]:
    """Return how a segment stands, as a badge."""
    if one["broken"]:
        return "cannot be judged", "bad"
    if not one["ready"]:
        return "being counted", "info"
    return (one["warning"], "warn") if one["warning"] else ("ready", "good")


@router.get("/{name}")
async def segment(visit: Here, name: str) -> Response:
    """Show what a segment says and how many are in it."""
    return await shown(visit, name)


async def shown(visit: Visit, name: str, status: int = 200, **more: Any) -> Response:
    """Return the page of a segment."""
    one = await visit.api.get(f"/v1/admin/segments/{part(name)}")
    size = one["size"]
    overlap = [
        {**other, "share": other["people"] / size if size else None, "to": f"/segments/{part(other['segment'])}"}
        for other in one["overlap"]
    ]  # fmt: skip
    shared = [(other["segment"], float(other["people"])) for other in overlap[:_MOST_BARS]]
    newest = next((version for version in one["segments"] if version["published"]), one["segments"][0])["segment"]
    values = {"listed": None, "problem": "", **more}
    return visit.page(
        "segments/segment.html", status, kind=KIND, name=name, one=one, written=newest, is_list=newest["when"] is None,
        live=one["version"] is not None, state=state(one), tabs=editing.tabs(KIND, name), trend=_trend(one),
        share=percent(size / one["people"]) if one["people"] else "–", ids=BY,
        bars=svg.bars("Also in", shared, write=number, unit="People"),
        overlap=Table("overlap", _OVERLAP, overlap, link="to", empty="Its people are in no other segment."), **values,
    )  # fmt: skip


def _trend(one: dict[str, Any]) -> Any:
    points = [(at, float(kept["size"])) for kept in one["trend"] if (at := moment(kept["at"]))]
    step = max(1, len(points) // _MOST_POINTS)
    # the last one is always there
    points = points[::-1][::step][::-1]
    return svg.line("People over 30 days", [Line("people", [*points, (datetime.now(UTC), float(one["size"]))])], write=number)


@router.get("/{name}/people")
async def people(visit: Here, name: str, after: int = -1) -> Response:
    """Show who is in a segment, page by page."""
    table = None
    if visit.may("profiles"):
        found = await visit.api.get(f"/v1/admin/segments/{part(name)}/members", after=after, limit=_PAGE)
        rows = [{**one, "what": BY[one["kind"]], "to": address(one["value"], one["kind"])} for one in found["members"]]
        more = f"/segments/{part(name)}/people{query({}, after=found['next'])}" if found["next"] is not None else ""
        table = Table("members", _PEOPLE, rows, link="to", next=more, empty="Nobody is in it now.")
    else:
        await visit.api.get(f"/v1/admin/segments/{part(name)}")
    return visit.page("segments/people.html", kind=KIND, name=name, table=table, tab="people", tabs=editing.tabs(KIND, name))


@router.get("/{name}/moves")
async def moves(visit: Here, name: str, before: str = "") -> Response:
    """Show who came and went, newest first."""
    found = await visit.api.get(f"/v1/admin/segments/{part(name)}/moves", before=before, limit=_PAGE)
    rows = [
        {"who": one["value"] or f"person {one['person_no']}", "what": ("came", "good") if one["entered"] else ("went", ""),
         "at": one["at"], "to": address(one["value"], one["kind"]) if one["value"] else ""}
        for one in found["moves"]
    ]  # fmt: skip
    more = f"/segments/{part(name)}/moves{query({}, before=found['next'])}" if found["next"] is not None else ""
    table = Table("moves", _MOVES, rows, link="to", next=more, empty="Nobody came or went yet.")
    return visit.page("segments/people.html", kind=KIND, name=name, table=table, tab="moves", tabs=editing.tabs(KIND, name))


@router.get("/{name}/people.csv")
async def download(visit: Here, name: str) -> StreamingResponse:
    """Return everybody in a segment as a file, piece by piece."""
    pieces = visit.api.pieces(f"/v1/admin/segments/{part(name)}/members.csv")
    # what is wrong is told before the file begins
    first = await anext(pieces)

    async def every() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"}
    return StreamingResponse(every(), media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/{name}/list")
async def upload(visit: Here, name: str) -> Response:
    """Make the people of a file, or pasted ids, the list of a segment, and tell what came of it."""
    form = await visit.request.form()
    file = form.get("file")
    body = await file.read() if isinstance(file, UploadFile) else b""
    if not body.strip():
        body = str(form.get("ids", "")).encode()
    path = f"/v1/admin/segments/{part(name)}/list"
    try:
        made = await visit.api.call("PUT", path, content=body, params={"kind": str(form.get("kind", "user_id"))})
    except ApiProblem as problem:
        if problem.status not in (400, 409, 413, 422):
            raise
        return await shown(visit, name, problem.status, problem=problem.detail)
    return await shown(visit, name, listed=made.json())
