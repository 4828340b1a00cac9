"""Dry runs beside the editors of rules, placements and templates: on people at once, on yesterday's requests by the worker."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse

from app.dashboard import live
from app.dashboard.api_client import ApiProblem, part
from app.dashboard.context import Here, Visit
from app.dashboard.pages.content.dry_run_report import shown
from app.dashboard.pages.content.editing import DocumentPages
from app.dashboard.render import page

router = APIRouter(prefix="/dry-runs")
ACTS = ("try", "stop")
"""What the buttons of a dry run are called in the forms that they stand in."""
NONE = {"with": "", "on": "people", "people": "100", "report": None, "run": None, "wrong": ""}
"""What a page shows before anything was tried."""
_EVERY_S = 0.5


async def acted(visit: Visit, kind: DocumentPages, name: str, body: dict[str, Any], form: Any, act: str) -> dict[str, Any]:
    """Begin or stop a dry run of a document as it is being edited, and return what the page shows of it; raises ApiProblem."""
    said, on = str(form.get("with", "")), str(form.get("on", "people"))
    found: dict[str, Any] = {**NONE, "with": said, "on": on, "people": str(form.get("people", "100"))}
    if act == "stop":
        return {**found, "run": await _stopped(visit, str(form.get("run", "")))}
    given: dict[str, Any] = {"with": said.split()} if said.split() else {}
    if on == "requests":
        given |= {"replay": "1", "in": "worker"}
    else:
        given["people"] = found["people"] if found["people"].isdigit() and 1 <= int(found["people"]) <= 1000 else "100"
    try:
        answer = await visit.api.call("POST", f"/v1/admin/{kind.plural}/{part(name)}/dry-run", json=body, params=given)
    except ApiProblem as problem:
        if problem.status != 409:
            raise
        return {
            **found,
            "wrong": "Another dry run waits or is under way in this shop: the worker makes one at a time. Try again when it has ended.",
        }
    return {**found, "run": answer.json()} if on == "requests" else {**found, "report": shown(answer.json())}


async def _stopped(visit: Visit, number: str) -> dict[str, Any] | None:
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        return None
    try:
        run: dict[str, Any] = await visit.api.send("DELETE", f"/v1/admin/dry-runs/{number}")
    except ApiProblem as problem:
        if problem.status != 409:
            raise
        return told(await visit.api.get(f"/v1/admin/dry-runs/{number}"))
    return run


def told(run: dict[str, Any]) -> dict[str, Any]:
    """Return a dry run with its report as a page shows it."""
    return {**run, "report": shown(run["report"]) if run["report"] else None}


@router.get("/{number}/live")
async def going(visit: Here, request: Request, number: int) -> StreamingResponse:
    """Send how far a dry run is until it ends, and then what came of it, once."""
    before = ""

    async def piece() -> tuple[str, str]:
        nonlocal before
        run = await visit.api.get(f"/v1/admin/dry-runs/{number}")
        html = page("dry_run/state.html", run=told(run), report=None)
        # what has not changed is not sent again: it would close what somebody opened in it
        sent, before = ("" if html == before else html), html
        return "tried", sent

    return live.stream(request, piece, every_s=_EVERY_S)
