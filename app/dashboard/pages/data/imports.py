"""The import assistant: drop a file, see what was guessed, change it, and import; and the imports that were made."""

import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import Response, StreamingResponse

from app.dashboard import live
from app.dashboard.api_client import ApiProblem, part
from app.dashboard.context import Here, Visit
from app.dashboard.pages.data import import_form
from app.dashboard.render import page, query
from app.dashboard.ui.table import Column, Table

router = APIRouter()
_UPLOAD_S = 600.0
_BLOCK = 262_144
_EVERY_S = 1.0
_RUNS = (
    Column("file_name", "File", sortable=False), Column("what", "What", wide=True, sortable=False),
    Column("started_at", "When", "when", sortable=False),
    Column("state", "State", "badge", sortable=False), Column("read", "Rows", "number", sortable=False),
    Column("landed", "Landed", "number", sortable=False), Column("duplicate", "Known before", "number", wide=True, sortable=False),
    Column("refused", "Refused", "number", sortable=False), Column("source", "Source", wide=True, sortable=False),
)  # fmt: skip
_KEPT = (Column("name", "Name"), Column("what", "What"), Column("saved_at", "Kept", "when"))
_NEEDED = {"items": "catalog", "events": "operate"}


def _what(request: Request) -> tuple[str, str]:
    """Return what a page imports, and where its pages begin."""
    return ("events", "/events/import") if request.url.path.startswith("/events") else ("items", "/catalogue/import")


def _frame(visit: Visit) -> dict[str, Any]:
    what, base = _what(visit.request)
    if not visit.may(_NEEDED[what]):
        raise ApiProblem(403, "forbidden", f"Your role may not import {what}.")
    return {"what": what, "base": base, "above": (what.capitalize() if what == "events" else "Catalogue", base.rpartition("/")[0])}


@router.get("/catalogue/import")
@router.get("/events/import")
async def begin(visit: Here) -> Response:
    """Ask for a file."""
    frame = _frame(visit)
    kept = [one for one in (await visit.api.get("/v1/admin/imports/mappings"))["mappings"] if one["what"] == frame["what"]]
    return visit.page("imports/import.html", **frame, kept=kept, problem="")


@router.post("/catalogue/import")
@router.post("/events/import")
async def upload(visit: Here) -> Response:
    """Hand a file to the API, and show what was guessed of it."""
    frame = _frame(visit)
    form = await visit.request.form()
    file = form.get("file")
    kept = [one for one in (await visit.api.get("/v1/admin/imports/mappings"))["mappings"] if one["what"] == frame["what"]]
    if not isinstance(file, UploadFile) or not file.filename:
        return visit.page("imports/import.html", 422, **frame, kept=kept, problem="Choose a file first.")
    asked = {"what": frame["what"], "file_name": file.filename[-500:], "mapping": str(form.get("mapping", ""))}
    try:
        answer = await visit.api.call("POST", "/v1/admin/imports", params=asked, content=_parts(file), timeout=_UPLOAD_S)
    except ApiProblem as problem:
        if problem.status not in (400, 404, 413, 422):
            raise
        return visit.page("imports/import.html", 422, **frame, kept=kept, problem=problem.detail)
    return visit.go(f"{frame['base']}/{answer.json()['upload_no']}")


async def _parts(file: UploadFile) -> AsyncIterator[bytes]:
    while part_ := await file.read(_BLOCK):
        yield part_


@router.get("/catalogue/import/{number}")
@router.get("/events/import/{number}")
async def staged(visit: Here, number: int) -> Response:
    """Show a file that was handed in: how it is read, or how its import goes."""
    frame = _frame(visit)
    found = await visit.api.get(f"/v1/admin/imports/{number}")
    if found["status"] != "staged":
        return visit.page("imports/import_run.html", **frame, upload=found, **report(found["run"]))
    try:
        preview = await visit.api.send("POST", f"/v1/admin/imports/{number}/preview")
    except ApiProblem as problem:
        if problem.status != 409:
            raise
        return visit.page("imports/import.html", 409, **frame, kept=[], problem=problem.detail)
    return _mapping(visit, frame, found, found["options"], preview, {})


@router.post("/catalogue/import/{number}")
@router.post("/events/import/{number}")
async def change(visit: Here, number: int) -> Response:
    """Try other options, keep them under a name, or import."""
    frame = _frame(visit)
    form = await visit.request.form()
    act, name = str(form.get("act", "preview")), str(form.get("name", "")).strip()
    found = await visit.api.get(f"/v1/admin/imports/{number}")
    options = import_form.written(form, frame["what"])
    problem, status = "", 200
    try:
        if act == "run":
            await visit.api.send("POST", f"/v1/admin/imports/{number}/run", options)
            return visit.go(f"{frame['base']}/{number}")
        if act == "keep":
            if not name:
                problem, status = "Give it a name to keep it under.", 422
            else:
                await visit.api.send("PUT", f"/v1/admin/imports/mappings/{frame['what']}/{part(name)}", {"options": options})
        preview = await visit.api.send("POST", f"/v1/admin/imports/{number}/preview", options)
    except ApiProblem as refused:
        if refused.status not in (400, 409, 422):
            raise
        problem, status = "; ".join(dict.fromkeys(refused.fields.values())) or refused.detail, 422
        options = found["options"] if refused.fields else options
        preview = await visit.api.send("POST", f"/v1/admin/imports/{number}/preview")
    told = {"problem": problem, "kept_as": name if act == "keep" and not problem else ""}
    return _mapping(visit, frame, found, options, preview, told, status)


def _mapping(
    visit: Visit, frame: dict[str, Any], upload: dict[str, Any], options: Any, preview: Any, told: dict[str, str], status: int = 200
) -> Response:
    return visit.page(
        "imports/import_mapping.html", status, **frame, upload=upload, options=options, preview=preview, text=json.dumps(options),
        **import_form.shown(frame["what"], options, preview), **{"problem": "", "kept_as": "", **told},
    )  # fmt: skip


@router.get("/catalogue/import/{number}/live")
@router.get("/events/import/{number}/live")
async def going(visit: Here, request: Request, number: int) -> StreamingResponse:
    """Send how far an import is, again and again."""
    frame = _frame(visit)

    async def piece() -> tuple[str, str]:
        found = await visit.api.get(f"/v1/admin/imports/{number}")
        return "run", page("parts/import_state.html", upload=found, base=frame["base"], **report(found["run"]))

    return live.stream(request, piece, every_s=_EVERY_S)


@router.get("/catalogue/import/{number}/refused")
@router.get("/events/import/{number}/refused")
async def refused_rows(visit: Here, number: int) -> Response:
    """Download the refused rows."""
    _frame(visit)
    answer = await visit.api.call("GET", f"/v1/admin/imports/{number}/refused")
    headers = {"Content-Disposition": answer.headers["content-disposition"], "Cache-Control": "no-store"}
    return Response(answer.content, media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/events/import/{number}/mapping.toml")
async def mapping_file(visit: Here, number: int) -> Response:
    """Download the mapping as the command line reads it."""
    _frame(visit)
    preview = await visit.api.send("POST", f"/v1/admin/imports/{number}/preview")
    headers = {"Content-Disposition": 'attachment; filename="mapping.toml"', "Cache-Control": "no-store"}
    return Response(preview["mapping"], media_type="application/toml; charset=utf-8", headers=headers)


@router.get("/catalogue/imports")
async def imports(visit: Here, what: str = "", before: str = "") -> Response:
    """Show imports, newest first."""
    asked = {"what": what if what in _NEEDED else ""}
    found = await visit.api.get("/v1/admin/imports", **asked, before=before)
    kept = (await visit.api.get("/v1/admin/imports/mappings"))["mappings"]
    following = query(asked, before=found["next"]) if found["next"] else ""
    rows = [{**one, "state": _state(one), "to": f"/catalogue/imports/{one['run_no']}"} for one in found["runs"]]
    table = Table(
        "imports", _RUNS, rows, link="to", next=f"/catalogue/imports{following}" if following else "", empty="Nothing was imported yet."
    )
    return visit.page("imports/imports.html", table=table, asked=asked, kept=Table("kept", _KEPT, kept) if kept else None)


@router.get("/catalogue/imports/{number}")
async def one_run(visit: Here, number: int) -> Response:
    """Show an import with its report."""
    found = await visit.api.get(f"/v1/admin/imports/runs/{number}")
    return visit.page("imports/import_report.html", run=found, state=_state(found), **report(found))


@router.post("/catalogue/imports/mappings/forget")
async def forget(visit: Here) -> Response:
    """Forget how a kind of file is read."""
    form = await visit.request.form()
    name = str(form.get("name", ""))
    await visit.api.send("DELETE", f"/v1/admin/imports/mappings/{part(str(form.get('what', 'items')))}/{part(name)}")
    return visit.go("/catalogue/imports", f"{name} is forgotten.")


def _state(run: dict[str, Any]) -> tuple[str, str]:
    if run["finished_at"] is None:
        return "running, or broken off", "info"
    return ("failed", "bad") if run["fault"] else ("with refused rows", "warn") if run["refused"] else ("done", "good")


_REASONS = (Column("reason", "Reason"), Column("count", "Rows", "number"))
_EXAMPLES = (Column("line", "Line", "number"), Column("reason", "Reason"), Column("file", "File", wide=True))


def report(run: dict[str, Any] | None) -> dict[str, Any]:
    """Return the tables of a report; none before there is one."""
    told = (run or {}).get("report") or {}

    def counted(name: str) -> list[dict[str, Any]]:
        return [{"reason": reason, "count": count} for reason, count in (told.get(name) or {}).items()]

    return {
        "told": told,
        "reasons": Table("reasons", _REASONS, counted("reasons"), empty="No row was refused."),
        "warnings": Table("warnings", _REASONS, counted("warnings"), empty="Nothing was left out of what landed."),
        "examples": Table("examples", _EXAMPLES, told.get("examples") or [], empty="No row was refused."),
    }
