"""`/` says what runs here and where to go on; `/docs` is the interactive documentation, with every file from this server."""

from functools import cache
from html import escape
from importlib.metadata import version
from importlib.resources import files

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from app.core.errors import NotFound

router = APIRouter(include_in_schema=False)
_ASSETS = {
    "swagger-ui-bundle.js": ("fastapi_offline", "text/javascript"),
    "swagger-ui.css": ("fastapi_offline", "text/css"),
    "docs.js": ("app.home", "text/javascript"),
    "home.css": ("app.home", "text/css"),
}
# the documentation sets styles of its elements from its script, and nothing of either page comes from elsewhere
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'"
)
_HEAD = '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
_DOCS = (
    f'{_HEAD}<title>Morsel: the API</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/docs/swagger-ui.css"></head>'
    '<body><div id="docs"></div><script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/docs.js"></script></body></html>'
)


@router.get("/")
async def home(request: Request) -> HTMLResponse:
    """Say what runs here, whether it can answer, and where to go on."""
    ready = request.app.state.server.holder.ready
    links = [("/docs", "The API, to read and to try"), ("/openapi.json", "The same as an OpenAPI document"), ("/readyz", "Health")]
    if any(getattr(route, "path", "") == "/demo" for route in request.app.routes):
        links.insert(0, ("/demo", "The demo: an e-mail for a sample person, and why each item is in it"))
    rows = "".join(f'<li><a href="{where}">{escape(what)}</a></li>' for where, what in links)
    state = "This server can answer." if ready else "Nothing is loaded yet: this server waits for its database."
    return _page(
        f'{_HEAD}<title>Morsel</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/docs/home.css"></head><body><main>'
        f"<h1>Morsel</h1><p>Personal content, ready to show. {state}</p><ul>{rows}</ul>"
        f"<p class=more>Release {escape(version('morsel'))}. Calls need a key: <code>morsel clients create</code> makes one.</p>"
        "</main></body></html>"
    )


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Give the interactive documentation."""
    return _page(_DOCS)


@router.get("/docs/{asset}")
async def asset(asset: str) -> Response:
    """Give a file of the documentation; raises NotFound."""
    if asset not in _ASSETS:
        raise NotFound("There is no such file.")
    package, kind = _ASSETS[asset]
    return Response(_content(package, asset), media_type=kind, headers={"Cache-Control": "public, max-age=3600"})


def _page(html: str) -> HTMLResponse:
    return HTMLResponse(html, headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"})


@cache
def _content(package: str, name: str) -> bytes:
    return (files(package) / "static" / name).read_bytes()
