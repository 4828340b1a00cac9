"""What a caller over its limit is told, by the handler of slowapi's exception and in front of the framework alike."""

from starlette.requests import Request
from starlette.responses import Response

from app.access.limits.counting import Verdict
from app.core.errors import LimitReached, problem_response


async def on_limit_exceeded(request: Request, error: Exception) -> Response:
    """Answer slowapi's RateLimitExceeded as problem+json; install with `app.add_exception_handler(RateLimitExceeded, ...)`."""
    return problem_response(refusal(request))


def refusal(request: Request) -> LimitReached:
    """Return what a caller over its limit is told."""
    verdict: Verdict | None = getattr(request.state, "verdict", None)
    headers = verdict.headers() if verdict else {"Retry-After": "60"}
    return LimitReached("The client is over its limit; come back when the window is over.", headers=headers)
