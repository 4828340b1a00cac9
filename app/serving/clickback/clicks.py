"""The click redirector: signed links lead to an item's own page, with every database dead too."""

import time
from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from app.access.deps import problems
from app.core.errors import NotFound
from app.serving.clickback.queue import Responses, response
from app.serving.render import shelf
from app.serving.render.links import BadLink, Links, Served
from app.serving.snapshot.holder import Holder

_REDIRECT: dict[int | str, dict[str, Any]] = {
    302: {"description": "To the item's page; extra query parameters are kept."},
    **problems(404, 422),
}
_PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer-when-downgrade"}


class Redirector:
    """Finds the target of a link and notes the click."""

    def __init__(self, links: Links, holder: Holder, responses: Responses, allowed_hosts: frozenset[str]) -> None:
        self._links = links
        self._holder = holder
        self._responses = responses
        self._allowed = allowed_hosts

    def follow(self, token: str, position: int, request: Request, *, count: bool) -> str:
        """Return where a link leads; raises NotFound for a link that we did not sign or that leads nowhere."""
        try:
            served = self._links.read(token)
        except BadLink:
            raise NotFound("This link is not valid.") from None
        target = self._target(served, position)
        if not target:
            raise NotFound("The page of this item is gone.")
        if count:
            self._responses.add(response(served, position, request.headers.get("user-agent", ""), prefetch=_looks_ahead(request)))
        return _with_query(target, request.scope["query_string"].decode("latin-1"))

    def _target(self, served: Served, position: int) -> str:
        snapshot = self._holder.current.get(served.tenant)
        if snapshot is None or not 1 <= position <= len(served.items):
            return ""
        index = snapshot.catalogue.index_of_number(served.items[position - 1])
        if index < 0:
            return ""
        target = shelf.show(snapshot.catalogue, index, served.locale, time.time()).target
        host = (urlsplit(target).hostname or "").lower()
        return target if not self._allowed or host in self._allowed else ""


def _looks_ahead(request: Request) -> bool:
    """Tell whether a browser fetches a page that nobody asked for yet, and says so."""
    return any("prefetch" in request.headers.get(name, "").lower() for name in ("sec-purpose", "purpose", "x-purpose", "x-moz"))


def _with_query(target: str, query: str) -> str:
    if not query:
        return target
    parts = urlsplit(target)
    return urlunsplit(parts._replace(query=f"{parts.query}&{query}" if parts.query else query))


router = APIRouter(tags=["links"])


def _redirect(request: Request, token: str, position: int, *, count: bool) -> Response:
    redirector: Redirector = request.app.state.redirector
    target = redirector.follow(token, position, request, count=count)
    return Response(status_code=302, headers={"Location": target, **_PRIVATE})


Token = Annotated[str, Path(max_length=4096)]
Position = Annotated[int, Path(ge=1, le=100)]


@router.get("/c/{token}/{position}", status_code=302, responses=_REDIRECT)
async def click(request: Request, token: Token, position: Position) -> Response:
    """Record the click and lead on to the item."""
    return _redirect(request, token, position, count=True)


@router.head("/c/{token}/{position}", status_code=302, responses=_REDIRECT)
async def peek(request: Request, token: Token, position: Position) -> Response:
    """Lead on to the item without recording anything: scanners ask so."""
    return _redirect(request, token, position, count=False)
