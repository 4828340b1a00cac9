"""No call waits for a database that hangs: what has no answer in time is answered 503, whatever its cleaning up still waits for."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import Problem, Unavailable, problem_response
from app.core.logging import log
from app.core.outage import cause, is_away

# From the last that the caller sent to the first of the answer.
CALL_S = 8.0
# Reports, replays, promotions and lists of items rightly take longer.
LONG_CALL_S = 30.0
_LONG = ("/v1/admin/", "/v1/items/batch")
_BOUND = ("/v1/", "/oauth/")
_RETRY = {"Retry-After": "5"}


class _Call:
    """One call as its route sees it: knows since when the route owes an answer, and keeps back what comes too late."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.since = asyncio.get_running_loop().time()
        self.reading = False
        self.answering = False
        self.over = False

    async def receive(self) -> Message:
        self.reading = True
        try:
            return await self._receive()
        finally:
            self.reading = False
            self.since = asyncio.get_running_loop().time()

    async def send(self, message: Message) -> None:
        if self.over:
            return
        self.answering = True
        await self._send(message)

    def left(self, limit_s: float) -> float | None:
        """Return the seconds left; None while an answer leaves."""
        if self.answering:
            return None
        return limit_s if self.reading else self.since + limit_s - asyncio.get_running_loop().time()


class Deadline:
    """Answers 503 with `Retry-After` for a call whose route has no answer in time, or that ended because the database is away.

    The route is cancelled and not waited for: giving its connection back may take as long as the database hangs.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._late: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        if scope["type"] != "http" or not scope["path"].startswith(_BOUND):
            await self._app(scope, receive, send)
            return
        call = _Call(receive, send)
        limit_s = LONG_CALL_S if scope["path"].startswith(_LONG) else CALL_S
        task = asyncio.ensure_future(_run(self._app, scope, call))
        try:
            while not task.done() and ((left := call.left(limit_s)) is None or left > 0):
                await asyncio.wait((task,), timeout=left)
        finally:
            if not task.done():
                call.over = True
                self._give_up(task)
        problem: Problem
        if task.done():
            error = task.exception()
            if error is None:
                return
            if call.answering or not is_away(error):
                raise error
            log.warning("request.database_away", path=scope["path"], error=cause(error))
            problem = Unavailable("A part this call needs is out of reach; try again.", headers=_RETRY)
        else:
            log.warning("request.late", path=scope["path"], seconds=limit_s)
            problem = Unavailable("There was no answer in time; whether the call took effect is not known. Try again.", headers=_RETRY)
        await problem_response(problem)(scope, receive, send)

    def _give_up(self, task: asyncio.Task[None]) -> None:
        """Cancel a route and hold on to it until it has given back what it holds."""
        self._late.add(task)
        task.add_done_callback(self._ended)
        task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._late.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not is_away(error):
            log.error("request.fault", error=type(error).__name__, exc_info=error)


async def _run(app: ASGIApp, scope: Scope, call: _Call) -> None:
    await app(scope, call.receive, call.send)
