"""Tracking messages, as Segment's libraries send them: the limits of their bodies, and the routes they come by."""

from typing import Any

from app.core.errors import BadRequest
from app.data.events.formats import segment_api
from app.data.events.sources.base import LARGEST_BODY, Parsed, Source, load_json

MOST_MESSAGES = 2_500
SINGLE = ("track", "identify", "page", "screen", "group", "alias")
# Segment's libraries for browsers call by the first letter; `b` and `import` are Swift's, Kotlin's and .NET's.
_CALLS = {f"/v1/{name}": call for call in SINGLE for name in (call, call[0])} | dict.fromkeys(("/v1/batch", "/v1/b", "/v1/import"), "batch")


def parse(body: bytes, call: str) -> Parsed:
    """Read the body of a call, such as `track` or `batch`; raises BadRequest when it is too large or of another shape."""
    if call != "batch":
        document = _one(body, call)
        return Parsed(document, [document], several=False)
    if len(body) > LARGEST_BODY:
        raise BadRequest(f"A batch may have {LARGEST_BODY} bytes; send smaller ones.", code="too_large")
    document = load_json(body)
    if not isinstance(document, dict) or not isinstance(document.get("batch"), list):
        raise BadRequest('The body must be an object with a list under "batch".')
    if len(document["batch"]) > MOST_MESSAGES:
        raise BadRequest(f"A batch may have {MOST_MESSAGES} events; send smaller ones.", code="too_large")
    return Parsed(document, document["batch"], several=True)


def _one(body: bytes, call: str) -> dict[str, Any]:
    if len(body) > segment_api.LARGEST_EVENT:
        raise BadRequest(f"An event may have {segment_api.LARGEST_EVENT} bytes.", code="too_large")
    document = load_json(body)
    if not isinstance(document, dict):
        raise BadRequest("The body must be an object.")
    return {**document, "type": call}


def _as_called(message: Any, call: str) -> Any:
    return {"type": call, **message} if isinstance(message, dict) and call != "batch" else message


SOURCE = Source("tracking", segment_api.read, calls=_CALLS, parse=parse, as_called=_as_called)
