"""HTTP routes of events: Segment's tracking API, and those of other sources that are listed."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from app.access.deps import PROTECTED, problems, require_sender
from app.access.domain import Principal
from app.core.resources import resource
from app.data.events import receive
from app.data.events.intake import Intake
from app.data.events.receive import Body, Outcome
from app.data.events.refused.service import Refusals
from app.data.events.schemas import BatchOut, EventWarning, RefusedEvent
from app.data.events.sources import listed, tracking
from app.data.events.sources.base import Source

router = APIRouter(prefix="/v1", tags=["events"], responses={**PROTECTED, **problems(400, 503)})

Sent = tuple[Principal, Body]
Taking = Annotated[Intake, Depends(resource("intake", Intake))]
Keeping = Annotated[Refusals, Depends(resource("refusals", Refusals))]
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


def _reader(source: Source, call: str) -> Callable[[Request], Awaitable[Body]]:
    async def read(request: Request) -> Body:
        return await receive.read_body(request, source, call)

    return read


def _taking(source: Source, call: str) -> Callable[..., Awaitable[BatchOut]]:
    async def take(intake: Taking, refusals: Keeping, sent: Annotated[Sent, Depends(require_sender(_reader(source, call)))]) -> BatchOut:
        return _told(await receive.take(intake, refusals, *sent, source, call))

    return take


for _name, _what in _CALLS.items():
    _fields = {"event": {"type": "string"}, **_FIELDS} if _name == "track" else dict(_FIELDS)
    if _name == "alias":
        _fields["previousId"] = {"type": "string"}
    if _name == "group":
        _fields["groupId"] = {"type": "string"}
    _handler = _taking(tracking.SOURCE, _name)
    # Segment's browser library calls by the first letter
    router.add_api_route(f"/{_name[0]}", _handler, methods=["POST"], include_in_schema=False, response_model=BatchOut)
    router.add_api_route(
        f"/{_name}",
        _handler,
        methods=["POST"],
        name=_name,
        summary=_name.capitalize(),
        description=f"{_what} Up to 32 KB; a refused event is answered 400 with the reason.",
        response_model=BatchOut,
        openapi_extra=_body_of({**_fields, **_ABOUT}),
    )

_MESSAGE = {"type": "object", "required": ["type"], "properties": {"type": {"type": "string", "enum": list(_CALLS)}, **_FIELDS}}
_LIST = {"type": "array", "maxItems": tracking.MOST_MESSAGES, "items": _MESSAGE}


_batch = _taking(tracking.SOURCE, "batch")
for _path in ("/b", "/import"):  # Swift and Kotlin; .NET
    router.add_api_route(_path, _batch, methods=["POST"], include_in_schema=False, response_model=BatchOut)
router.add_api_route(
    "/batch",
    _batch,
    methods=["POST"],
    name="post_batch",
    description="Store up to 2,500 events (500 KB) in the shape of Segment's `batch` call; each is stored or told in `refused`.",
    response_model=BatchOut,
    openapi_extra=_body_of({"batch": _LIST, **_ABOUT}, "batch"),
)


def others() -> APIRouter:
    """Return the routes of all sources but the tracking API, whose own have more to say."""
    made = APIRouter(tags=["events"], responses={**PROTECTED, **problems(400, 503)})
    for path, (source, call) in listed.calls().items():
        if source is not tracking.SOURCE:
            made.add_api_route(
                path,
                _taking(source, call),
                methods=["POST"],
                name=f"{source.name}_{call}",
                description=f"Store events of the source `{source.name}`; each is stored or told in `refused`.",
                response_model=BatchOut,
                openapi_extra=_body_of({}),
            )
    return made


def _told(outcome: Outcome) -> BatchOut:
    return BatchOut(
        success=True,
        accepted=outcome.accepted,
        duplicates=outcome.duplicates,
        refused=[RefusedEvent(index=index, reason=reason) for index, reason in outcome.refused],
        unknown_items=outcome.unknown_items,
        warnings=[EventWarning(index=index, warning=warning) for index, warning in outcome.warnings],
    )
