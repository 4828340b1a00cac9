"""Gives the scripts that a shop's pages load."""

import gzip
import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter, Request
from starlette.responses import Response

router = APIRouter(tags=["widget"])
_SOURCE = Path(__file__).with_name("static") / "tracker.js"


class _Script(NamedTuple):
    plain: bytes
    packed: bytes
    tag: str


@cache
def _tracker() -> _Script:
    plain = _SOURCE.read_bytes()
    return _Script(plain, gzip.compress(plain, 9, mtime=0), f'"{hashlib.sha256(plain).hexdigest()[:16]}"')


@router.get(
    "/tracker.js",
    response_class=Response,
    responses={200: {"content": {"text/javascript": {}}}, 304: {"description": "The script that the browser has is the present one."}},
)
async def tracker(request: Request) -> Response:
    """Give the website tracker, a script of a few kilobytes."""
    script = _tracker()
    headers = {
        "Cache-Control": "public, max-age=3600",
        "ETag": script.tag,
        "Vary": "Accept-Encoding",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "X-Content-Type-Options": "nosniff",
    }
    if script.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(script.packed, media_type="text/javascript", headers={**headers, "Content-Encoding": "gzip"})
    return Response(script.plain, media_type="text/javascript", headers=headers)
