"""HTTP routes of events."""

import zlib
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.errors import BadRequest
from app.data.events import batch
from app.data.events.schemas import BatchOut, RefusedEvent
from app.data.events.segment import arrival
from app.data.people.keys import DataKeys

router = APIRouter(prefix="/v1", tags=["events"], responses=PROTECTED)
Sender = Annotated[Principal, Depends(require(Scope.EVENTS))]

_MESSAGE: dict[str, Any] = {
    "type": "object",
    "required": ["type"],
    "properties": {
        "type": {"type": "string", "enum": ["track", "identify", "page", "screen", "group", "alias"]},
        "event": {"type": "string"},
        "userId": {"type": "string"},
        "anonymousId": {"type": "string"},
        "messageId": {"type": "string"},
        "timestamp": {"type": "string", "format": "date-time"},
        "properties": {"type": "object"},
        "traits": {"type": "object"},
        "context": {"type": "object"},
    },
}
_BODY = {
    "required": ["batch"],
    "type": "object",
    "properties": {"batch": {"type": "array", "maxItems": batch.MOST_MESSAGES, "items": _MESSAGE}, "sentAt": {"type": "string"}},
}


@router.post(
    "/batch",
    responses=problems(400, 503),
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": _BODY}}}},
)
async def post_batch(request: Request, caller: Sender) -> BatchOut:
    """Store up to 2,500 events (500 KB) in the shape of Segment's `batch` call; each is stored or told in `refused`."""
    document = batch.parse(await _body(request))
    how = arrival(document, datetime.now(UTC), anonymous_only=caller.public)
    outcome = await batch.take(request.app.state.db, caller.tenant, document, how, DataKeys(request.app.state.settings))
    return BatchOut(
        accepted=outcome.accepted,
        duplicates=outcome.duplicates,
        refused=[RefusedEvent(index=index, reason=reason) for index, reason in outcome.refused],
        unknown_items=outcome.unknown_items,
    )


async def _body(request: Request) -> bytes:
    """Read the body up to the limit, unpacked if the sender packed it."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > batch.LARGEST_BATCH:
            return bytes(body)
    if request.headers.get("content-encoding", "").lower() != "gzip":
        return bytes(body)
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(bytes(body), batch.LARGEST_BATCH + 1)
    except zlib.error:
        raise BadRequest("The body is not valid gzip.") from None
