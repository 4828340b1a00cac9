"""What every page gets: who is signed in, the API as they may use it, and the frame around the page."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any
from urllib.parse import quote, unquote

from fastapi import Depends, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.dashboard import nav, render, session
from app.dashboard.api_client import Api, ApiProblem

FLASH = "morsel_flash"
_LONGEST_FLASH = 300


class NotSignedIn(Exception):
    """Nobody is signed in; the browser is sent to the sign-in page and back."""


@dataclass
class Visit:
    """One call of somebody who is signed in."""

    request: Request
    api: Api
    me: dict[str, Any]

    @cached_property
    def scopes(self) -> frozenset[str]:
        """What this person may do."""
        return frozenset(self.me["scopes"])

    def may(self, scope: str) -> bool:
        """Tell whether this person holds a scope."""
        return scope in self.scopes or "admin" in self.scopes

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """Return a page in the frame, with the message that a change left behind."""
        text = render.page(
            template, visit=self, me=self.me, may=self.may, path=self.request.url.path, menu=nav.grouped(self.scopes),
            csrf=session.csrf(session.token(self.request)), flash=self._flash(), palette=nav.MENU, **values,
        )  # fmt: skip
        response = HTMLResponse(text, status, headers={"Cache-Control": "no-store"})
        if self.request.cookies.get(FLASH):
            response.delete_cookie(FLASH)
        return response

    def piece(self, template: str, status: int = 200, **values: Any) -> Response:
        """Return a part of a page, for scripts that put it in."""
        text = render.page(template, visit=self, me=self.me, may=self.may, csrf=session.csrf(session.token(self.request)), **values)
        return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})

    def go(self, path: str, message: str = "", kind: str = "good") -> Response:
        """Send the browser to a page after a change, which tells what was done."""
        response = RedirectResponse(path, 303)
        if message:
            response.set_cookie(FLASH, quote(f"{kind}:{message[:_LONGEST_FLASH]}"), max_age=60, httponly=True, samesite="lax")
        return response

    def _flash(self) -> tuple[str, str] | None:
        kind, _, text = unquote(self.request.cookies.get(FLASH, "")).partition(":")
        return (kind, text) if kind in ("good", "bad") and text else None


async def visit(request: Request) -> Visit:
    """Return who calls; raises NotSignedIn, and Forbidden for a change that another site started."""
    await session.check_origin(request)
    token = session.token(request)
    if not token:
        raise NotSignedIn
    api = Api(request.app.state.http, token)
    try:
        me = await api.get("/v1/admin/me")
    except ApiProblem as problem:
        if problem.status == 401:
            raise NotSignedIn from None
        raise
    return Visit(request, api, me)


Here = Annotated[Visit, Depends(visit)]
