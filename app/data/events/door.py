"""The short way of events: the tracker's and the senders' calls, answered in front of the framework.

The documented routes answer alike; a test holds the two together. Most of what a single event cost was the framework's way
of a request.
"""

import orjson
from slowapi.errors import RateLimitExceeded
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from app.access.deps import sender
from app.access.limits.refusals import refusal
from app.core.errors import Problem, hung_up, problem_reply
from app.core.logging import log
from app.core.outage import is_away
from app.data.events import receive as receiving
from app.data.events.receive import Body, Outcome
from app.data.events.sources import listed
from app.data.events.sources.base import Source


class EventsDoor:
    """Takes the calls of all sources by POST; all else goes on to `otherwise`. `calls` has source and name of the call of each path."""

    def __init__(self, otherwise: ASGIApp) -> None:
        self._otherwise = otherwise
        self.calls = listed.calls()

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Answer one call."""
        if scope["method"] != "POST":
            await self._otherwise(scope, receive, send)
            return
        try:
            body = _written(await _take(Request(scope, receive), *self.calls[scope["path"]]))
            status, headers = 200, [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        except Problem as problem:
            status, headers, body = problem_reply(problem)
        except ClientDisconnect:
            status, headers, body = problem_reply(hung_up())  # nobody is there to read it
        except Exception as error:
            if is_away(error):
                raise  # the deadline around this door says so
            log.error("request.fault", error=type(error).__name__, exc_info=error)
            status, headers, body = problem_reply(Problem("Something went wrong on our side.", code="internal", status=500))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _take(request: Request, source: Source, call: str) -> Outcome:
    async def read(request: Request) -> Body:
        return await receiving.read_body(request, source, call)

    state = request.app.state
    try:
        caller, body = await sender(state.access, request, read)
    except RateLimitExceeded:
        raise refusal(request) from None
    return await receiving.take(state.intake, state.refusals, caller, body, source, call)


def _written(outcome: Outcome) -> bytes:
    """Write what `BatchOut` says, field by field."""
    return orjson.dumps(
        {
            "success": True,
            "accepted": outcome.accepted,
            "duplicates": outcome.duplicates,
            "refused": [{"index": index, "reason": reason} for index, reason in outcome.refused],
            "unknown_items": outcome.unknown_items,
            "warnings": [{"index": index, "warning": warning} for index, warning in outcome.warnings],
        }
    )
