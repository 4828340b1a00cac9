"""Signing in and out, and entering by a one-time link."""

import hashlib
import hmac
from typing import Annotated
from urllib.parse import quote, unquote

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.dashboard import render, session
from app.dashboard.api_client import Api, ApiAway, ApiProblem, part
from app.dashboard.context import Here

_WENT = "morsel_went"
router = APIRouter(dependencies=[Depends(session.check_origin)])


def _api(request: Request) -> Api:
    return Api(request.app.state.http, "")


def local(path: str) -> str:
    """Return a path of this dashboard, the home page for anything that would lead elsewhere."""
    safe = path.startswith("/") and not path.startswith(("//", "/\\")) and "\\" not in path and all(character >= " " for character in path)
    return path if safe else "/"


def _agent(request: Request) -> str:
    text = "".join(character for character in request.headers.get("user-agent", "") if character.isprintable())
    for name in ("Firefox", "Edg", "Chrome", "Safari"):
        if name in text:
            system = next((one for one in ("Android", "iPhone", "Windows", "Mac OS", "Linux") if one in text), "")
            return f"{name.replace('Edg', 'Edge')} {system}".strip()
    return text[:60]


async def _login(
    request: Request, status: int = 200, *, next: str = "/", problem: str = "", email: str = "", factor: bool = False
) -> Response:
    try:
        provider = (await _api(request).get("/login/provider"))["name"]
    except (ApiAway, ApiProblem):
        provider = ""  # a password may be tried all the same; what is wrong is told then
    text = render.page("door/login.html", next=local(next), problem=problem, email=email, factor=factor, provider=provider)
    return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})


def _entered(request: Request, opened: dict[str, object], path: str) -> Response:
    response = RedirectResponse(local(path), 303)
    session.remember(request, response, str(opened["token"]), int(str(opened["lasts_s"])))
    return response


@router.get("/login")
async def login_page(request: Request, next: str = "/") -> Response:
    """Show the sign-in page."""
    return await _login(request, next=next)


@router.post("/login")
async def login(
    request: Request, email: Annotated[str, Form()] = "", password: Annotated[str, Form()] = "", code: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:  # fmt: skip
    """Open a session, or say what is wrong."""
    body = {"email": email, "password": password, "code": code, "agent": _agent(request)}
    try:
        opened = await _api(request).send("POST", "/login", body)
    except ApiProblem as problem:
        factor = problem.code == "second_factor" or bool(code)
        text = "Send the code of your second factor too, and the password again." if problem.code == "second_factor" else problem.detail
        return await _login(request, problem.status, next=next, problem=text, email=email, factor=factor)
    return _entered(request, opened, next)


def _callback(request: Request) -> str:
    base = request.app.state.settings.dashboard_url or str(request.base_url)
    return f"{base.rstrip('/')}/login/callback"


def _bound(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()


@router.get("/login/provider")
async def to_provider(request: Request, next: str = "/") -> Response:
    """Send the browser to the provider; a cookie says that it was this one which went."""
    try:
        begun = await _api(request).send("POST", "/login/provider", {"redirect_uri": _callback(request)})
    except ApiProblem as problem:
        return await _login(request, problem.status, next=next, problem=problem.detail)
    response = RedirectResponse(begun["address"], 303, headers={"Cache-Control": "no-store"})
    went = quote(f"{_bound(begun['state'])}:{local(next)}", safe=":")
    response.set_cookie(_WENT, went, max_age=600, httponly=True, samesite="lax", secure=session.secure(request), path="/login/callback")
    return response


@router.get("/login/callback")
async def from_provider(request: Request, code: str = "", state: str = "", error: str = "") -> Response:
    """Open a session for whoever comes back from the provider, in the browser that went there."""
    went, _, next = unquote(request.cookies.get(_WENT, "")).partition(":")
    if error or not code:
        response = await _login(request, 401, next=next, problem="The provider did not let you in; try again.")
    elif not went or not hmac.compare_digest(went.encode(), _bound(state).encode()):
        response = await _login(request, 403, problem="This sign-in did not begin in this browser; begin again.")
    else:
        try:
            opened = await _api(request).send("POST", "/login/provider/finish", {"code": code, "state": state, "agent": _agent(request)})
            response = _entered(request, opened, next)
        except ApiProblem as problem:
            detail = "This sign-in is not complete; begin again." if problem.status == 422 else problem.detail
            response = await _login(request, problem.status, next=next, problem=detail)
    response.delete_cookie(_WENT, path="/login/callback", httponly=True, samesite="lax", secure=session.secure(request))
    return response


@router.get("/enter")
async def enter_page(request: Request, link: str = "") -> Response:
    """Show what a one-time link leads to; the demo's leads in at once."""
    found = await _look(request, link)
    if found["purpose"] == "demo":
        return _entered(request, await _api(request).send("POST", "/login/links", {"link": link, "agent": _agent(request)}), "/")
    return HTMLResponse(render.page("door/enter.html", found=found, link=link, problem=""), headers={"Cache-Control": "no-store"})


@router.post("/enter")
async def enter(
    request: Request, link: Annotated[str, Form()] = "", name: Annotated[str, Form()] = "", password: Annotated[str, Form()] = ""
) -> Response:
    """Choose a password and enter."""
    body = {"link": link, "name": name, "password": password, "agent": _agent(request)}
    try:
        opened = await _api(request).send("POST", "/login/links", body)
    except ApiProblem as problem:
        found = await _look(request, link)
        text = render.page("door/enter.html", found=found, link=link, problem=problem.detail)
        return HTMLResponse(text, problem.status, headers={"Cache-Control": "no-store"})
    return _entered(request, opened, "/")


async def _look(request: Request, link: str) -> dict[str, str]:
    found: dict[str, str] = await _api(request).get(f"/login/links/{part(link) or '-'}")
    return found


@router.post("/logout")
async def logout(visit: Here) -> Response:
    """End the session."""
    await visit.api.send("DELETE", "/v1/admin/sessions/current")
    response = RedirectResponse("/login", 303)
    session.forget(visit.request, response)
    return response
