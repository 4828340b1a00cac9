"""Previews: what a person would get, as a document of its own in a frame, and what is wrong beside it."""

import json
from typing import Any

from fastapi import Request
from starlette.responses import HTMLResponse, Response

from app.dashboard.api_client import part
from app.dashboard.context import Visit

_FIELDS = ("user_id", "item_id", "placement", "locale", "category", "format")
# A letter has styles of its own and pictures from anywhere. It runs nothing, sends nothing, and has no origin.
_LETTER = (
    "sandbox; script-src 'none'; object-src 'none'; frame-src 'none'; connect-src 'none'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'"
)


async def asked(request: Request, *, document: bool) -> dict[str, Any]:
    """Return the body of a preview from a form; raises ValueError for a document that is no JSON."""
    form = await request.form()
    body: dict[str, Any] = {name: str(form[name]).strip() for name in _FIELDS if form.get(name)}
    if document and form.get("document"):
        body["document"] = json.loads(str(form["document"]))
    if form.get("version"):
        body["version"] = int(str(form["version"]))
    return body


def letter(html: str) -> Response:
    """Return a rendered letter as a document of its own."""
    headers = {"Content-Security-Policy": _LETTER, "X-Frame-Options": "SAMEORIGIN", "Cache-Control": "no-store"}
    head = '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><base target="_blank">'
    return HTMLResponse(head + html, headers=headers)


async def shown(visit: Visit, plural: str, name: str, body: dict[str, Any]) -> str:
    """Return the HTML that a person would get; raises ApiProblem."""
    answer = await visit.api.call("POST", f"/v1/admin/{plural}/{part(name)}/preview", json={**body, "format": "html"})
    return answer.text
