"""HTTP routes of events: Segment's tracking API."""

import zlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from app.access.deps import PROTECTED, problems, require_sender
from app.access.domain import Principal
from app.core.errors import BadRequest
from app.data.events import batch
from app.data.events.batch import Body
from app.data.events.intake import Intake
from app.data.events.refusals.domain import Refusal
from app.data.events.refusals.service import Refusals
from app.data.events.schemas import BatchOut, RefusedEvent
from app.data.events.segment import arrival

router = APIRouter(prefix="/v1", tags=["events"], responses={**PROTECTED, **problems(400, 503)})

Sent = tuple[Principal, Body]
_CALLS = {
    "track": "Store something that a person did, under the name `event`.",
    "identify": "Store who a person is: traits, and which anonymous id is theirs.",
    "page": "Store that a person saw a page.",
    "screen": "Store that a person saw a screen of an app.",
    "group": "Store that a person belongs to a group.",
    "alias": "Store that `previousId` and `userId` are one person.",
}
_FIELDS: dict[str, Any] = {
    "userId": {"type": "string"},
    "anonymousId": {"type": "string"},
    "messageId": {"type": "string", "description": "A message is stored once in 24 hours or more, whatever else differs."},
    "timestamp": {"type": "string", "format": "date-time"},
    "properties": {"type": "object"},
    "traits": {"type": "object"},
    "context": {"type": "object"},
}
_ABOUT = {
    "sentAt": {"type": "string", "description": "The sender's clock, by which timestamps are put right."},
    "writeKey": {"type": "string", "description": "A write key, where no header can be sent."},
}


def _body_of(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}, "text/plain": {"schema": {"type": "string"}}}}
    }


def _reader(call: str) -> Callable[[Request], Awaitable[Body]]:
    async def read(request: Request) -> Body:
        return batch.read_body(await _bytes(request), call)

    return read


def _one(call: str) -> Callable[..., Awaitable[BatchOut]]:
    async def take(request: Request, sent: Annotated[Sent, Depends(require_sender(_reader(call)))]) -> BatchOut:
        caller, body = sent
        outcome = await _take(request, caller, body, [body.document], call)
        for _, reason in outcome.refused:
            if reason != batch.NO_CONSENT:
                raise BadRequest(f"The event was not stored: {reason}.")
        return _told(outcome)

    return take


for _name, _what in _CALLS.items():
    _fields = {"event": {"type": "string"}, **_FIELDS} if _name == "track" else dict(_FIELDS)
    if _name == "alias":
        _fields["previousId"] = {"type": "string"}
    if _name == "group":
        _fields["groupId"] = {"type": "string"}
    router.add_api_route(
        f"/{_name}",
        _one(_name),
        methods=["POST"],
        name=_name,
        summary=_name.capitalize(),
        description=f"{_what} Up to 32 KB; a refused event is answered 400 with the reason.",
        response_model=BatchOut,
        openapi_extra=_body_of({**_fields, **_ABOUT}),
    )

_MESSAGE = {"type": "object", "required": ["type"], "properties": {"type": {"type": "string", "enum": list(_CALLS)}, **_FIELDS}}
_LIST = {"type": "array", "maxItems": batch.MOST_MESSAGES, "items": _MESSAGE}


@router.post("/batch", openapi_extra=_body_of({"batch": _LIST, **_ABOUT}, "batch"))
async def post_batch(request: Request, sent: Annotated[Sent, Depends(require_sender(_reader("batch")))]) -> BatchOut:
    """Store up to 2,500 events (500 KB) in the shape of Segment's `batch` call; each is stored or told in `refused`."""
    caller, body = sent
    return _told(await _take(request, caller, body, body.document.get("batch", []), "batch"))


async def _take(request: Request, caller: Principal, body: Body, messages: list[Any], call: str) -> batch.Outcome:
    """Store messages; those that cannot be stored, and a body that cannot be read, are kept with the reason first."""
    how = arrival(body.document, datetime.now(UTC), anonymous_only=caller.public)
    refusals = request.app.state.refusals
    assert isinstance(refusals, Refusals)
    if body.problem is not None:
        if body.raw is not None:
            await refusals.keep(caller.tenant, [Refusal(body.raw, body.problem.detail, call, how, caller.client_no, whole_body=True)])
        raise body.problem
    read = batch.read_messages(messages, how)
    refused = [
        Refusal(raw, reason, call, how, caller.client_no)
        for position, reason in read.refused
        if (raw := batch.written(messages[position])) is not None
    ]
    await refusals.keep(caller.tenant, refused)
    return await batch.take(_intake(request), caller.tenant, read)


def _intake(request: Request) -> Intake:
    intake = request.app.state.intake
    assert isinstance(intake, Intake)
    return intake


def _told(outcome: batch.Outcome) -> BatchOut:
    return BatchOut(
        success=True,
        accepted=outcome.accepted,
        duplicates=outcome.duplicates,
        refused=[RefusedEvent(index=index, reason=reason) for index, reason in outcome.refused],
        unknown_items=outcome.unknown_items,
    )


async def _bytes(request: Request) -> bytes:
    """Read a body up to the limit of a batch, unpacked if the sender packed it; one that is larger is cut right after the limit."""
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
