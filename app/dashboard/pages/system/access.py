"""Access: clients and keys, what each used, and the people who may sign in."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.responses import Response

from app.access.accounts.domain import Role
from app.access.domain import KeyKind
from app.access.schemas import NewClient
from app.dashboard.api_client import ApiProblem, part
from app.dashboard.context import Here, Visit
from app.dashboard.ui import forms
from app.dashboard.ui.table import Column, Table

router = APIRouter(prefix="/access")
_FIELDS = ("name", "kind", "scopes", "rate_limit", "on_limit", "placements", "origins")
_CLIENTS = (
    Column("name", "Client"), Column("kind", "Kind", "badge"),
    Column("answers", "Answers, 30 days", "number"), Column("limit", "Limit", wide=True),
    Column("keys", "Keys", "number"),
    Column("scope_list", "May", wide=True, sortable=False), Column("created_at", "Made", "ago", wide=True),
    Column("state", "", "badge"),
)  # fmt: skip
_KEYS = (
    Column("hint", "Key", "code"), Column("kind", "Kind", "badge"),
    Column("bound", "Bound to", wide=True), Column("created_at", "Made", "ago"),
    Column("expires_at", "Ends", "when", wide=True), Column("state", "", "badge"),
)  # fmt: skip
_ACCOUNTS = (
    Column("email", "Address"), Column("name", "Name", wide=True),
    Column("role", "Role", "badge"), Column("factor", "Second factor", wide=True),
    Column("seen_at", "Last here", "ago"), Column("state", "", "badge"),
)  # fmt: skip


async def _clients(visit: Visit) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    found = await visit.api.get("/v1/admin/clients")
    for one in found["clients"]:
        one["keys"] = sum(1 for key in found["keys"] if key["client_id"] == one["client_id"] and not key["revoked"])
        one["scope_list"], one["limit"] = ", ".join(one["scopes"]), one["rate_limit"]
        one["state"] = ("revoked", "bad") if one["revoked"] else ""
        one["to"] = f"/access/clients/{part(one['client_id'])}"
    for key in found["keys"]:
        key["bound"] = ", ".join([*key["placements"], *key["origins"]])
        key["state"] = ("revoked", "bad") if key["revoked"] else ""
    return found["clients"], found["keys"]


@router.get("")
async def access(visit: Here) -> Response:
    """Show clients, and accounts to administrators."""
    until = datetime.now(UTC)
    span = {"from": (until - timedelta(days=30)).isoformat(), "to": until.isoformat()}
    (clients, _), overview = await asyncio.gather(_clients(visit), visit.api.get("/v1/admin/overview", **span))
    use = {one["client_id"]: one["answers"]["count"] for one in overview["clients"]}
    for one in clients:
        one["answers"] = use.get(one["client_id"], 0)
    return visit.page("system/access.html", clients=Table("clients", _CLIENTS, sorted(clients, key=lambda one: one["revoked"]), link="to"))


@router.get("/clients/new")
async def new_client(visit: Here) -> Response:
    """Show the form of a client."""
    return visit.page("system/client_new.html", fields=forms.fields(NewClient, only=_FIELDS))


@router.post("/clients")
async def create_client(visit: Here) -> Response:
    """Make a client, and show its secret this once."""
    values, problems = forms.read(NewClient, await visit.request.form())
    if not problems:
        try:
            made = await visit.api.send("POST", "/v1/admin/clients", values)
        except ApiProblem as problem:
            problems = problem.fields or {"name": problem.detail}
        else:
            return visit.page(
                "system/secret.html",
                made=made,
                secret=made["client_secret"] or "",
                what="client",
                back=f"/access/clients/{made['client_id']}",
            )
    return visit.page("system/client_new.html", 422, fields=forms.fields(NewClient, values, problems, only=_FIELDS))


@router.get("/clients/{client_id}")
async def client(visit: Here, client_id: str, problem: str = "") -> Response:
    """Show a client with its keys and its use."""
    until = datetime.now(UTC)
    span = {"from": (until - timedelta(days=30)).isoformat(), "to": until.isoformat()}
    (clients, keys), overview = await asyncio.gather(_clients(visit), visit.api.get("/v1/admin/overview", **span))
    one = next((one for one in clients if one["client_id"] == client_id), None)
    if one is None:
        raise ApiProblem(404, "not_found", "There is no such client.")
    use = next((use["answers"] for use in overview["clients"] if use["client_id"] == client_id), None)
    own = [key for key in keys if key["client_id"] == client_id]
    return visit.page(
        "system/client.html",
        client=one,
        use=use,
        kinds=[str(kind) for kind in KeyKind],
        keys=Table("keys", _KEYS, own, empty="It has no key yet."),
        problem=problem,
    )


@router.post("/clients/{client_id}/revoke")
async def revoke_client(visit: Here, client_id: str) -> Response:
    """Revoke a client with its keys."""
    await visit.api.send("DELETE", f"/v1/admin/clients/{part(client_id)}")
    return visit.go(f"/access/clients/{part(client_id)}", "The client and its keys are refused from now on.")


@router.post("/clients/{client_id}/keys")
async def create_key(
    visit: Here, client_id: str, kind: Annotated[str, Form()] = "api", placements: Annotated[str, Form()] = "",
    origins: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Make a key, and show it this once."""
    body = {"kind": kind, "placements": placements.split(), "origins": origins.split()}
    try:
        made = await visit.api.send("POST", f"/v1/admin/clients/{part(client_id)}/keys", body)
    except ApiProblem as problem:
        return await client(visit, client_id, " ".join(problem.fields.values()) or problem.detail)
    return visit.page("system/secret.html", made=made, secret=made["key"], what="key", back=f"/access/clients/{part(client_id)}")


@router.post("/clients/{client_id}/keys/{key_no}/revoke")
async def revoke_key(visit: Here, client_id: str, key_no: int) -> Response:
    """Revoke a key."""
    await visit.api.send("DELETE", f"/v1/admin/keys/{key_no}")
    return visit.go(f"/access/clients/{part(client_id)}", "The key is refused from now on.")


@router.get("/accounts")
async def people(visit: Here, problem: str = "", invited: dict[str, Any] | None = None) -> Response:
    """Show who may sign in."""
    found = (await visit.api.get("/v1/admin/accounts"))["accounts"]
    for one in found:
        one["factor"] = "on" if one["second_factor"] else "off"
        one["state"] = ("off", "bad") if one["disabled"] else ("invited", "info") if one["invited"] else ""
    table = Table("accounts", _ACCOUNTS, found)
    return visit.page("system/accounts.html", accounts=table, roles=[str(role) for role in Role], problem=problem, invited=invited)


@router.post("/accounts")
async def invite(visit: Here, email: Annotated[str, Form()] = "", role: Annotated[str, Form()] = "viewer") -> Response:
    """Invite somebody, and show the link this once."""
    try:
        made = await visit.api.send("POST", "/v1/admin/accounts", {"email": email, "role": role})
    except ApiProblem as problem:
        return await people(visit, problem=" ".join(problem.fields.values()) or problem.detail)
    return await people(visit, invited=_link(visit, made))


@router.post("/accounts/{account_no}")
async def change(visit: Here, account_no: int, what: Annotated[str, Form()] = "", role: Annotated[str, Form()] = "") -> Response:
    """Change an account: its role, whether it may sign in, or let its owner begin anew."""
    body: dict[str, Any] = {"role": role} if what == "role" else {"reset": True} if what == "reset" else {"disabled": what == "off"}
    try:
        made = await visit.api.send("PATCH", f"/v1/admin/accounts/{account_no}", body)
    except ApiProblem as problem:
        return await people(visit, problem=problem.detail)
    if made["link"]:
        return await people(visit, invited=_link(visit, made))
    return visit.go("/access/accounts", "The account was changed.")


def _link(visit: Visit, made: dict[str, Any]) -> dict[str, Any]:
    base = visit.request.app.state.settings.dashboard_url or str(visit.request.base_url)
    return {"email": made["account"]["email"], "address": f"{base.rstrip('/')}/enter?link={made['link']}"}
