"""Server-Sent Events: a piece of HTML again and again, until the browser goes away."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

from fastapi import Request
from starlette.responses import StreamingResponse

from app.dashboard.api_client import ApiAway, ApiProblem

_LONGEST_S = 900.0
"""A stream ends after so long; the browser opens another, with a session that is asked for again."""


def stream(
    request: Request, piece: Callable[[], Awaitable[tuple[str, str]]], *, every_s: float, mode: str = "replace"
) -> StreamingResponse:
    """Send what `piece` gives (the id of an element, and its new content) every so many seconds; an API that is away is waited for."""

    async def pieces() -> AsyncIterator[str]:
        end = asyncio.get_running_loop().time() + _LONGEST_S
        yield "retry: 3000\n\n"
        while asyncio.get_running_loop().time() < end and not await request.is_disconnected():
            try:
                target, html = await piece()
            except ApiAway:
                yield ": away\n\n"
            except ApiProblem:
                return  # the session ended: the browser's next try is sent to the sign-in page
            else:
                if html:
                    yield f"data: {json.dumps({'target': target, 'html': html, 'mode': mode})}\n\n"
            await asyncio.sleep(every_s)

    return StreamingResponse(pieces(), media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
