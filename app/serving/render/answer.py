"""What writes an outcome as bytes, by the format that was asked for."""

from collections.abc import Callable
from typing import Any

from app.content.formats import JSON, Format
from app.serving.model.call import Call
from app.serving.render.json import json_body
from app.serving.render.templated import rendered_body

# Of a call, the address of its links without position (empty when none was signed) and what `explain=1` adds, makes the body.
Maker = Callable[[Call, str, dict[str, Any] | None], bytes]


def maker(form: Format) -> Maker:
    """Return what makes bodies in a format."""
    return json_body if form is JSON else rendered_body


def body(call: Call, link: str) -> bytes:
    """Return the body of a call in its format."""
    return maker(call.format)(call, link, None)
