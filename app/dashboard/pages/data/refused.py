"""Refused events: why, how many, what was sent; put right, replayed, forgotten."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.responses import Response

from app.dashboard.api_client import ApiProblem
from app.dashboard.context import Here, Visit
from app.dashboard.pages.data.events import TABS
from app.dashboard.render import pretty, query
from app.dashboard.ui.table import Column, Table

router = APIRouter(prefix="/events/refused")
_PAGE = 100
_REASONS = (Column("reason", "Why", sortable=False), Column("count", "Events", "number"), Column("newest", "Last", "ago"))
_REFUSED = (
    Column("label", "Number", sortable=False), Column("reason", "Why", sortable=False),
    Column("received_at", "Came", "when", sortable=False),
    Column("client", "From", sortable=False, wide=True), Column("call", "By", "code", sortable=False, wide=True),
    Column("bytes", "Bytes", "number", sortable=False, wide=True),
)  # fmt: skip
_EXAMPLE = '{\n  "event": "Product Viewed"\n}'


@router.get("")
async def refused(visit: Here, reason: str = "", before: str = "") -> Response:
    """Show why events were refused, and which ones."""
    return await _listed(visit, reason, before)


async def _listed(visit: Visit, reason: str, before: str = "", *, status: int = 200, changes: str = "", problem: str = "") -> Response:
    found = await visit.api.get("/v1/admin/refused-events", reason=reason, before=before, limit=_PAGE)
    for one in found["reasons"]:
        one["to"] = f"/events/refused{query({}, reason=one['reason'])}"
    for one in found["refused"]:
        one["label"] = str(one["refused_no"])
        one["to"] = f"/events/refused/{one['refused_no']}" if visit.may("operate") else ""
    full = len(found["refused"]) == _PAGE
    more = f"/events/refused{query({'reason': reason}, before=str(found['refused'][-1]['refused_no']))}" if full else ""
    return visit.page(
        "events/refused.html", status, tabs=TABS, reason=reason, problem=problem, changes=changes or _EXAMPLE,
        count=next((one["count"] for one in found["reasons"] if one["reason"] == reason), 0),
        reasons=Table("reasons", _REASONS, found["reasons"], link="to", empty="Nothing was refused that is still kept."),
        table=Table("refused", _REFUSED, found["refused"], link="to", next=more, empty="Nothing was refused for this reason."),
    )  # fmt: skip


@router.post("/reason")
async def of_reason(
    visit: Here, reason: Annotated[str, Form()], act: Annotated[str, Form()] = "replay", changes: Annotated[str, Form()] = ""
) -> Response:
    """Replay or forget all of a reason."""
    if act == "forget":
        gone = await visit.api.send("DELETE", "/v1/admin/refused-events", reason=reason)
        return visit.go("/events/refused", f"{gone['forgotten']:,} forgotten.")
    try:
        body: dict[str, Any] = {"reason": reason, "limit": 10_000}
        if changes.strip():
            body["changes"] = _read(changes)
        told = await visit.api.send("POST", "/v1/admin/refused-events/replay", body)
    except ValueError as error:
        return await _listed(visit, reason, status=422, changes=changes, problem=str(error))
    except ApiProblem as problem:
        if problem.status not in (400, 422):
            raise
        return await _listed(visit, reason, status=422, changes=changes, problem=" ".join(problem.fields.values()) or problem.detail)
    kind = "bad" if told["still_refused"] else "good"
    back = f"/events/refused{query({}, reason=reason)}" if told["still_refused"] and not told["replayed"] else "/events/refused"
    return visit.go(back, _told(told), kind)


@router.get("/{refused_no}")
async def one(visit: Here, refused_no: int) -> Response:
    """Show a refused event with what was sent."""
    return await _one(visit, refused_no)


async def _one(visit: Visit, refused_no: int, *, status: int = 200, text: str = "", problem: str = "", line: int | None = None) -> Response:
    found = await visit.api.get(f"/v1/admin/refused-events/{refused_no}")
    sent = found["message"]
    return visit.page(
        "events/refused_one.html", status, one=found, problem=problem, bad=[line] if line else [],
        text=text or (sent if isinstance(sent, str) else pretty(sent)), plain=isinstance(sent, str),
    )  # fmt: skip


@router.post("/{refused_no}")
async def change(visit: Here, refused_no: int, act: Annotated[str, Form()] = "replay", message: Annotated[str, Form()] = "") -> Response:
    """Put an event right and store it, or forget it."""
    path = f"/v1/admin/refused-events/{refused_no}"
    if act == "forget":
        await visit.api.send("DELETE", path)
        return visit.go("/events/refused", "Forgotten.")
    try:
        told = await visit.api.send("POST", f"{path}/replay", {"message": _read(message)})
    except json.JSONDecodeError as error:
        words = f"Line {error.lineno} is no JSON: {error.msg}."
        return await _one(visit, refused_no, status=422, text=message, problem=words, line=error.lineno)
    except ValueError as error:
        return await _one(visit, refused_no, status=422, text=message, problem=str(error))
    except ApiProblem as problem:
        if problem.status not in (400, 422):
            raise
        return await _one(visit, refused_no, status=422, text=message, problem=problem.detail)
    if told["refused"]:
        return await _one(visit, refused_no, status=422, text=message, problem=f"It is still refused: {told['refused'][0]['reason']}.")
    return visit.go("/events/refused", _told(told))


def _read(text: str) -> dict[str, Any]:
    """Read an object that somebody wrote; raises ValueError."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("Write one JSON object.")
    return found


def _told(told: dict[str, Any]) -> str:
    words = [f"{told['replayed']:,} replayed, {told['stored']:,} events stored"]
    words += [f"{told['duplicates']:,} were stored before"] if told["duplicates"] else []
    words += [f"{told['no_consent']:,} of people who refused, not stored"] if told["no_consent"] else []
    words += [f"{told['still_refused']:,} still refused: {told['refused'][0]['reason']}"] if told["still_refused"] else []
    return ", ".join(words) + "."
