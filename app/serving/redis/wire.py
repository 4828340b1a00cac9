"""One connection to a Redis process: batches of commands out, their replies back in order, one timer for all of them.

Replies are parsed by hiredis and matched in order, so after a time-out the connection is thrown away.
"""

# long: the protocol of Redis, both directions

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis

from app.core import telemetry

# Turns of the loop that a late reply is looked for: a busy loop fires its timer before it has read the socket.
_SECOND_LOOKS = 4
# A timer that fires later than this says that the loop, or the whole machine, stood still; that time is not Redis' fault.
_LATE_S = 0.005

Replies = Callable[[list[Any] | None], None]
Group = tuple[int, list[str]]
"""A tenant, and keys whose values are wanted together."""
Values = list[bytes | None]
Done = Callable[[list[Values | None]], None]


class RedisDown(Exception):
    """Redis cannot be asked now, or did not answer in time."""


class _Batch:
    """Commands sent together: how many replies are to come, those that came, who takes them, and until when."""

    __slots__ = ("count", "due", "excused", "replies", "take")

    def __init__(self, count: int, take: Replies, due: float) -> None:
        self.count = count
        self.replies: list[Any] = []
        self.take = take
        self.due = due
        self.excused = False


class Wire(asyncio.Protocol):
    """Sends batches and hands each its replies; `timeout_s` is how long the oldest may wait before the connection is given up.

    `run_id` names the Redis process at the other end, once `greet` has asked for it; empty when it is a replica, which nobody
    makes whole.
    """

    def __init__(self, timeout_s: float, on_lost: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout = timeout_s
        self._on_lost = on_lost
        self._reader = hiredis.Reader()
        self._waiting: deque[_Batch] = deque()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.Handle | None = None
        self.run_id = b""
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class does not derive from it

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        waiting = self._waiting
        try:
            while not self.lost and (reply := self._reader.gets()) is not False:
                batch = waiting[0]
                batch.replies.append(reply)
                if len(batch.replies) == batch.count:
                    waiting.popleft()
                    self._give(batch, batch.replies)
        except (hiredis.ProtocolError, IndexError):
            telemetry.ERRORS.labels("redis", "protocol").inc()
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.close()

    def send(self, commands: Sequence[Sequence[Any]], take: Replies) -> None:
        """Write commands in one piece; `take` gets all their replies, error replies among them, or None when they will not come."""
        now = self._loop.time()
        self._waiting.append(_Batch(len(commands), take, now + self._timeout))
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout, self._look, 0)
        assert self._transport is not None
        self._transport.write(b"".join([hiredis.pack_command(tuple(command)) for command in commands]))

    async def ask(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Send commands and return their replies; raises RedisDown."""
        future: asyncio.Future[list[Any]] = self._loop.create_future()

        def take(replies: list[Any] | None) -> None:
            if future.done():
                return
            if replies is None:
                future.set_exception(RedisDown("no answer"))
            else:
                future.set_result(replies)

        self.send(commands, take)
        return await future

    async def greet(self, commands: Sequence[Sequence[Any]]) -> None:
        """Send what opens a connection and learn `run_id`; raises RedisDown when any of it is refused or late."""
        replies = await self.ask([*commands, ("INFO", "server"), ("INFO", "replication")])
        for reply in replies:
            if isinstance(reply, hiredis.ReplyError):
                raise RedisDown(str(reply))
        self.run_id = _said(replies[-2], b"run_id") if _said(replies[-1], b"role") == b"master" else b""

    def close(self) -> None:
        """Give up the connection; everyone who waits is told, and `on_lost` is called once."""
        if self.lost:
            return
        self.lost = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
        while self._waiting:
            self._give(self._waiting.popleft(), None)
        self._on_lost()

    def _look(self, looks: int) -> None:
        """See whether the oldest batch is late, and come back when the next one may be."""
        self._timer = None
        if not self._waiting:
            return
        oldest, now = self._waiting[0], self._loop.time()
        late = now - oldest.due
        if late > _LATE_S and not oldest.excused:
            oldest.excused = True
            oldest.due = now + min(late, self._timeout / 2)
        if oldest.due > now:
            self._timer = self._loop.call_at(oldest.due, self._look, 0)
        elif looks < _SECOND_LOOKS:
            self._timer = self._loop.call_soon(self._look, looks + 1)
        else:
            telemetry.ERRORS.labels("redis", "timeout").inc()
            self.close()

    def _give(self, batch: _Batch, replies: list[Any] | None) -> None:
        try:
            batch.take(replies)
        except Exception as error:  # one taker's failure must not keep the others from their replies
            self._loop.call_exception_handler({"message": "taking replies of Redis failed", "exception": error})


def _said(info: Any, name: bytes) -> bytes:
    """Return what INFO says under a name."""
    for line in bytes(info).splitlines():
        if line.startswith(name + b":"):
            return line.partition(b":")[2].strip()
    return b""


def is_error(reply: Any) -> bool:
    """Tell whether a reply is an error; it is counted by the first word of what it says: OOM, READONLY, MOVED."""
    if not isinstance(reply, hiredis.ReplyError):
        return False
    telemetry.ERRORS.labels("redis", first_word(reply).lower()[:20]).inc()
    return True


def first_word(reply: Any) -> str:
    """Return the first word of an error reply, which names its kind."""
    return str(reply).partition(" ")[0]
