"""Sends: what is announced and whether it is ready, a look before one is announced, progress as it happens, calling one off."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response, StreamingResponse

from app.dashboard import live
from app.dashboard.api_client import ApiProblem, part
from app.dashboard.charts import svg
from app.dashboard.context import Here, Visit
from app.dashboard.render import page, query
from app.dashboard.ui.table import Column, Table
from app.sends.domain import LONGEST_S, OPEN

router = APIRouter(prefix="/sends")
_COLUMNS = (
    Column("title", "Send"), Column("placement", "Placement", wide=True), Column("start", "Starts", "when"),
    Column("state", "State", "badge"), Column("people", "People", "number"), Column("ready", "Dealt with", "share"),
    Column("light", "Pre-flight", "badge"),
    Column("note", "Note", sortable=False, wide=True),
)  # fmt: skip
_STATES = {"waiting": "", "warming": "info", "warm": "good", "over": "", "cancelled": ""}
_UNITS = {"minutes": 60, "hours": 3600, "days": 86_400}
# Where somebody mends what a finding tells, by the beginning of its code.
_PAGES = {
    "placement": "/placements", "model": "/models", "events": "/events", "catalogue": "/catalogue", "peak_over_limit": "/access",
    "redis": "/health", "worker": "/health", "popular": "/health", "snapshot": "/health", "servers": "/health", "capacity": "/health",
}  # fmt: skip
_FIELDS = ("name", "placement", "start", "duration", "unit", "audience", "ids", "segment", "when")
_EVERY_S = 2.0
_MOST_LIGHTS = 10
_SHOWN = 50


def light(findings: list[dict[str, Any]]) -> tuple[str, str]:
    """Say in a word what the pre-flight found."""
    grave = {one["severity"] for one in findings}
    return ("stop", "bad") if "error" in grave else ("look", "warn") if "warning" in grave else ("ready", "good")


def where(code: str) -> str:
    """Return the page on which somebody mends what a finding tells, empty where it is the send itself."""
    return next((page for begins, page in _PAGES.items() if code.startswith(begins)), "")


@router.get("")
async def sends(visit: Here, q: str = "", before: str = "") -> Response:
    """Show the sends, newest first."""
    found = await visit.api.get("/v1/admin/sends", q=q, before=before, limit=_SHOWN)
    near = [one["id"] for one in found["sends"] if one["status"] in OPEN][:_MOST_LIGHTS]
    lit = dict(zip(near, await asyncio.gather(*(_light(visit, number) for number in near)), strict=True))
    rows = [
        {
            "title": one["name"] or f"Send {one['id']}", "placement": one["placement"], "start": one["start"],
            "state": (one["status"], _STATES[one["status"]]), "people": one["progress"]["audience"], "ready": share(one["progress"]),
            "light": lit.get(one["id"]), "note": one["note"], "to": f"/sends/{one['id']}",
        }
        for one in found["sends"]
    ]  # fmt: skip
    more = f"/sends{query({'q': q}, before=found['next'])}" if found["next"] else ""
    table = Table("sends", _COLUMNS, rows, link="to", next=more, empty="No send fits." if q else "No send was announced yet.")
    return visit.page("sends/sends.html", table=table, q=q)


async def _light(visit: Visit, number: int) -> tuple[str, str]:
    return light((await visit.api.get(f"/v1/admin/sends/{number}"))["findings"])


def share(progress: dict[str, Any]) -> float | None:
    """Return how much of its audience a send has dealt with."""
    return progress["done"] / progress["audience"] if progress["audience"] else None


@router.get("/new")
async def new(visit: Here, placement: str = "") -> Response:
    """Begin a send."""
    return await _form(visit, {"placement": placement, "duration": "1", "unit": "hours", "audience": "everyone"})


@router.post("/new")
async def announce(visit: Here) -> Response:
    """Look at a send, or announce it."""
    form = await visit.request.form()
    values, body, problems = await written(form)
    announcing = form.get("act") == "announce"
    dry: dict[str, Any] = {} if announcing else {"dry_run": 1}
    if not problems:
        try:
            made = await visit.api.send("POST", "/v1/admin/sends", body, **dry)
        except ApiProblem as problem:
            if problem.status not in (400, 413, 422):
                raise
            problems = _told(problem)
        else:
            if announcing:
                return visit.go(f"/sends/{made['id']}", "The send is announced: its audience is prewarmed.")
            return await _form(visit, values, look=made)
    return await _form(visit, values, problems=problems, status=422)


def _told(problem: ApiProblem) -> dict[str, str]:
    if problem.status == 413:
        return {"user_ids": "These are more people than one call takes: `morsel sends create PLACEMENT --audience FILE` takes any number."}
    return {one["field"].split(".")[0]: one["message"] for one in problem.errors} or {"": problem.detail}


async def written(form: FormData) -> tuple[dict[str, str], dict[str, Any], dict[str, str]]:
    """Read the form: what it says, the body of the call, and what is wrong by field; ids of a file join those that are written."""
    values = {name: str(form.get(name, "")).strip() for name in _FIELDS}
    problems: dict[str, str] = {}
    body: dict[str, Any] = {"name": values["name"], "placement": values["placement"]}
    file = form.get("file")
    if isinstance(file, UploadFile) and file.filename:
        try:
            values["ids"] = f"{values['ids']}\n{(await file.read()).decode('utf-8-sig').strip()}".strip()
        except UnicodeDecodeError:
            problems["user_ids"] = f"{file.filename} is no UTF-8 text with one user id a line."
    try:
        body["duration_s"] = round(float(values["duration"].replace(",", ".")) * _UNITS.get(values["unit"], 60))
        if not 1 <= body["duration_s"] <= LONGEST_S:
            problems["duration_s"] = f"A send lasts up to {LONGEST_S // 86_400} days."
    except (ValueError, OverflowError):
        problems["duration_s"] = "Write a number."
    if values["start"]:
        try:
            body["start"] = datetime.fromisoformat(values["start"]).replace(tzinfo=UTC).isoformat()
        except ValueError:
            problems["start"] = "Write a day and a time."
    if values["audience"] == "list":
        body["user_ids"] = [line.strip() for line in values["ids"].splitlines() if line.strip()]
        if not body["user_ids"]:
            problems.setdefault("user_ids", "Paste some ids, or choose a file.")
    elif values["audience"] in ("segment", "when"):
        body[values["audience"]] = values[values["audience"]]
        if not values[values["audience"]]:
            problems[values["audience"]] = "Choose a segment." if values["audience"] == "segment" else "Write a condition."
    else:
        body["everyone"] = True
    return values, body, problems


async def _form(
    visit: Visit, values: dict[str, str], look: dict[str, Any] | None = None, problems: dict[str, str] | None = None, status: int = 200
) -> Response:
    placements = [one["name"] for one in (await visit.api.get("/v1/admin/placements"))["placements"]]
    segments = [one["name"] for one in (await visit.api.get("/v1/admin/segments"))["segments"]]
    shown = {**dict.fromkeys(_FIELDS, ""), **values}
    return visit.page(
        "sends/send_new.html", status, values=shown, problems=problems or {}, look=look, placements=placements, segments=segments,
        units=tuple(_UNITS),
        chart=capacity(look["forecast"]) if look and look["forecast"] else "", light=light(look["findings"]) if look else None, where=where,
    )  # fmt: skip


def capacity(forecast: dict[str, Any]) -> Any:
    """Draw what a send asks at its peak beside what the servers can answer."""
    bars = [("This send", forecast["peak_requests_per_s"])]
    if forecast["other_sends_per_s"]:
        bars.append(("Other sends then", forecast["other_sends_per_s"]))
    if forecast["capacity_requests_per_s"] is not None:
        bars.append(("The servers can answer", forecast["capacity_requests_per_s"]))
    return svg.bars("Requests a second at the peak", bars, write=lambda value: f"{value:,.2f}" if value < 100 else f"{value:,.0f}")


async def _found(visit: Visit, number: str) -> dict[str, Any]:
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise ApiProblem(404, "not_found", f"There is no send {number[:40]}.")
    return dict(await visit.api.get(f"/v1/admin/sends/{part(number)}"))


@router.get("/{number}")
async def send(visit: Here, number: str) -> Response:
    """Show a send."""
    found = await _found(visit, number)
    chart = capacity(found["forecast"]) if found["forecast"] else ""
    return visit.page("sends/send.html", send=found, **_progress(found), chart=chart, where=where, open=found["status"] in OPEN)


@router.get("/{number}/live")
async def live_progress(visit: Here, request: Request, number: str) -> StreamingResponse:
    """Send the progress anew again and again."""

    async def piece() -> tuple[str, str]:
        found = await _found(visit, number)
        return "progress", page("parts/send_progress.html", send=found, where=where, **_progress(found))

    return live.stream(request, piece, every_s=_EVERY_S)


def _progress(found: dict[str, Any]) -> dict[str, Any]:
    return {"share": share(found["progress"]), "light": light(found["findings"]), "state": (found["status"], _STATES[found["status"]])}


@router.post("/{number}/cancel")
async def cancel(visit: Here, number: str) -> Response:
    """Call a send off."""
    try:
        await visit.api.send("DELETE", f"/v1/admin/sends/{part(number)}")
    except ApiProblem as problem:
        if problem.status != 409:
            raise
        return visit.go(f"/sends/{part(number)}", problem.detail, "bad")
    return visit.go(f"/sends/{part(number)}", "The send is called off; its audience is forgotten.")
