"""One's own account: name and role, password, second factor, open sessions."""

from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.responses import Response

from app.dashboard.api_client import ApiProblem
from app.dashboard.context import Here, Visit
from app.dashboard.ui.table import Column, Table

router = APIRouter(prefix="/account")
_COLUMNS = (
    Column("agent", "Browser"), Column("seen_at", "Last used", "ago"),
    Column("created_at", "Signed in", "when", wide=True), Column("mark", "", "badge"),
)  # fmt: skip


async def _shown(visit: Visit, status: int = 200, *, problem: str = "", factor: Any = None) -> Response:
    sessions = (await visit.api.get("/v1/admin/sessions"))["sessions"]
    for one in sessions:
        one["mark"] = ("this one", "info") if one["current"] else ""
        one["agent"] = one["agent"] or "unknown"
    table = Table("sessions", _COLUMNS, sessions)
    return visit.page("system/account.html", status, table=table, problem=problem, factor=factor)


@router.get("")
async def account(visit: Here) -> Response:
    """Show the account."""
    return await _shown(visit)


@router.post("/password")
async def password(visit: Here, old: Annotated[str, Form()] = "", new: Annotated[str, Form()] = "") -> Response:
    """Change the password."""
    try:
        await visit.api.send("PATCH", "/v1/admin/me", {"password": old, "new_password": new})
    except ApiProblem as problem:
        return await _shown(visit, problem.status, problem=problem.detail)
    return visit.go("/account", "The password was changed; your other sessions have ended.")


@router.post("/factor")
async def begin(visit: Here) -> Response:
    """Begin a second factor: show its secret."""
    return await _shown(visit, factor=await visit.api.send("POST", "/v1/admin/me/second-factor"))


@router.post("/factor/confirm")
async def confirm(
    visit: Here, secret: Annotated[str, Form()] = "", address: Annotated[str, Form()] = "", old: Annotated[str, Form()] = "",
    code: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Turn the second factor on with its first code."""
    try:
        await visit.api.send("PATCH", "/v1/admin/me", {"password": old, "code": code})
    except ApiProblem as problem:
        return await _shown(visit, problem.status, problem=problem.detail, factor={"secret": secret, "address": address})
    return visit.go("/account", "The second factor is on.")


@router.post("/factor/off")
async def off(visit: Here, old: Annotated[str, Form()] = "") -> Response:
    """Turn the second factor off."""
    try:
        await visit.api.send("PATCH", "/v1/admin/me", {"password": old, "factor_off": True})
    except ApiProblem as problem:
        return await _shown(visit, problem.status, problem=problem.detail)
    return visit.go("/account", "The second factor is off.")


@router.post("/sessions/{number}/end")
async def end(visit: Here, number: int) -> Response:
    """End another session."""
    await visit.api.send("DELETE", f"/v1/admin/sessions/{number}")
    return visit.go("/account", "The session has ended.")
