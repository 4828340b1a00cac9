"""`/` says what runs here and where to go on; `/docs` is the documentation of the API, with every file from this server."""

import gzip
import re
from functools import cache
from html import escape
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from weakref import WeakKeyDictionary

from fastapi import APIRouter, FastAPI, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from app.core.errors import NotFound
from app.home import reference

router = APIRouter(include_in_schema=False)
# each is made of files by package and path: the pages look as the dashboard does
_ASSETS = {
    "docs.js": ("text/javascript", (("app.home", "docs.js"),)),
    "home.css": ("text/css", (("app.dashboard", "style/tokens.css"), ("app.home", "home.css"))),
    "morsel.svg": ("image/svg+xml", (("app.dashboard", "style/morsel.svg"),)),
}
_CODE = re.compile(r"`([^`]+)`")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEAD = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    '<title>Morsel</title><link rel="icon" href="/docs/morsel.svg"><link rel="stylesheet" href="/docs/home.css"></head>'
)


@router.get("/")
async def home(request: Request) -> HTMLResponse:
    """Say what runs here, whether it can answer, and where to go on."""
    ready = request.app.state.server.holder.ready
    links = [("/docs", "The API, to read"), ("/openapi.json", "The same as an OpenAPI document"), ("/readyz", "Health")]
    if any(getattr(route, "path", "") == "/demo" for route in request.app.routes):
        links.insert(0, ("/demo", "The demo: an e-mail for a sample person, and why each item is in it"))
    rows = "".join(f'<li><a href="{where}">{escape(what)}</a></li>' for where, what in links)
    state = "This server can answer." if ready else "Nothing is loaded yet: this server waits for its database."
    return HTMLResponse(
        f"{_HEAD}<body><main class=alone><h1>Morsel</h1><p>Personal content, ready to show. {state}</p><ul>{rows}</ul>"
        f'<p class="soft small">Release {escape(version("morsel"))}. Calls need a key: <code>morsel clients create</code> makes one.</p>'
        "</main></body></html>",
        headers=_headers(),
    )


@router.get("/docs")
def docs(request: Request) -> Response:
    """Give the documentation of all routes; made once, beside the calls that are answered meanwhile."""
    packed = _made.get(request.app)
    if packed is None:
        document = request.app.openapi()
        told = {"operations": reference.operations(document), "shapes": reference.shapes(document), "version": version("morsel")}
        _made[request.app] = packed = gzip.compress(_environment().get_template("docs.html").render(**told).encode())
    headers = {**_headers(), "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return HTMLResponse(packed, headers={**headers, "Content-Encoding": "gzip"})
    return HTMLResponse(gzip.decompress(packed), headers=headers)


@router.get("/docs/{asset}")
async def asset(asset: str) -> Response:
    """Give a file of these pages; raises NotFound."""
    if asset not in _ASSETS:
        raise NotFound("There is no such file.")
    return Response(_content(asset), media_type=_ASSETS[asset][0], headers={"Cache-Control": "public, max-age=3600"})


def _headers() -> dict[str, str]:
    return {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}


@cache
def _content(name: str) -> bytes:
    return b"".join((files(package) / "static" / path).read_bytes() for package, path in _ASSETS[name][1])


_made: WeakKeyDictionary[FastAPI, bytes] = WeakKeyDictionary()


@cache
def _environment() -> Environment:
    folder = Path(__file__).parent / "templates"
    made = Environment(
        loader=FileSystemLoader(folder), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )  # fmt: skip
    made.filters["coded"] = _coded
    return made


def _coded(text: str) -> Markup:
    """Return a text in which what stands between backticks is code."""
    return Markup(_CODE.sub(r"<code>\1</code>", escape(text)))  # noqa: S704 - escaped above
