"""One HTTP connection that has bounds: its head, what waits on it, and the time it may take."""

import asyncio
import re
from collections.abc import Iterable
from typing import cast

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.core import telemetry
from app.core.errors import problem_body

MOST_HEAD = 65_536
HEAD_S = 15.0
BODY_PAUSE_S = 30.0
MESSAGE_S = 300.0
STALLED_S = 60.0
_LINGER_S = 2.0
_SLICE = 16_384
_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
_REFUSALS = {
    400: ("bad_request", "This is no request of HTTP/1.1 with one Host."),
    408: ("timeout", "The request did not come in time; send it again on a new connection."),
    431: ("head_too_large", f"The head of the request is larger than {MOST_HEAD} bytes."),
    505: ("version", "This version of HTTP is not spoken here; send HTTP/1.1."),
}


class Refused(Exception):
    """Raised from within the parser: the message cannot be taken, for the reason that `status` names."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def check_head(version: str, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Raise Refused for a version that is not spoken here, and where HTTP/1.1 does not allow the Host as it is."""
    if version not in ("1.1", "1.0"):
        raise Refused(505)
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) > 1 or (not hosts and version == "1.1") or not all(map(_HOST.fullmatch, hosts)):
        raise Refused(400)


class _Flow(FlowControl):
    """Reads on only when nothing is queued and the other side reads too."""

    def __init__(self, connection: "BoundedProtocol") -> None:
        super().__init__(connection.transport)
        self._connection = connection

    def resume_reading(self) -> None:
        if not self.write_paused and not self._connection.pipeline:
            super().resume_reading()


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, but whoever sends without end, sends nothing, or does not read, loses the connection.

    A message that cannot be taken is refused after the answers to those before it. A half close ends the connection after the
    answers to what had come.
    """

    within = False  # a message has begun and is not complete
    answering = 0  # requests of the long way that have no answer yet
    deaf = False  # what still comes is thrown away
    half_closed = False
    held = b""  # came while no more could be taken
    _in_body = False
    _progress = False
    _silent_bytes = 0
    _head_size = 0
    _began = _heard = 0.0
    _status = 0
    _slow: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; also a connection that never asks has an end."""
        super().connection_made(cast(asyncio.Transport, transport))
        self.flow = _Flow(self)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of every timer."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        for timer in (self._slow, self._stalled):
            if timer is not None:
                timer.cancel()
        self.held = b""

    def data_received(self, data: bytes) -> None:
        """Parse what came, as much of it as may be queued."""
        for at in range(0, len(data), _SLICE):
            if self.deaf or self.transport.is_closing():
                return
            if self.pipeline:
                self.hold(data[at:])
                return
            self._feed(data[at : at + _SLICE])

    def hold(self, data: bytes) -> None:
        """Keep what came for later, and read no more."""
        self.held += data
        self.flow.pause_reading()

    def _feed(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._progress = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # nothing else is spoken here: the request is answered as it is, and what follows it is no HTTP/1.1 any more
            self.deaf, self.cycle.keep_alive = True, False
        except httptools.HttpParserError as error:
            self.refuse(error.__context__.status if isinstance(error.__context__, Refused) else 400)
            return
        if self.within:
            self._silent_bytes = 0 if self._progress else self._silent_bytes + len(data)
            if self._silent_bytes > MOST_HEAD:
                self.refuse(431)
                return
            self._heard = self.loop.time()
            if self._slow is None:
                self._slow = self.loop.call_later(HEAD_S, self._look)
        elif not self.answering:
            self._await_request()

    def _await_request(self) -> None:
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _look(self) -> None:
        """See whether the message that is being read came on in time."""
        self._slow = None
        if not self.within or self.deaf or self.transport.is_closing():
            return
        now = self.loop.time()
        if self.flow.read_paused:  # it is us who do not read
            self._began = self._heard = now
        due = min(self._heard + BODY_PAUSE_S, self._began + MESSAGE_S) if self._in_body else self._began + HEAD_S
        if due <= now:
            self.refuse(408)
        else:
            self._slow = self.loop.call_at(due, self._look)

    def _should_upgrade(self) -> bool:
        return False

    def on_message_begin(self) -> None:
        """Note that a message is being parsed."""
        self.within, self._in_body, self._progress, self._head_size = True, False, True, 0
        self._began = self.loop.time()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count a part of the address."""
        self._grow(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field without the white space around it; one behind the body names nobody any more."""
        self._grow(len(name) + len(value) + 4)
        if not self._in_body:
            super().on_header(name, value.strip(b" \t"))

    def _grow(self, size: int) -> None:
        self._head_size += size
        if self._head_size > MOST_HEAD:
            raise Refused(431)

    def on_headers_complete(self) -> None:
        """Begin the answer when the head is one."""
        self._progress = True
        check_head(self.parser.get_http_version(), self.headers)
        super().on_headers_complete()
        self.answering += 1
        self._in_body = True

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._progress = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that no message is being parsed."""
        self.within, self._progress = False, True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with what waits, or end."""
        self.answering -= 1
        super().on_response_complete()
        if not self.transport.is_closing():
            self.settle()

    def settle(self) -> None:
        """Take what was held while something was answered; end a connection on which nothing more will come."""
        self.flow.resume_reading()
        if self.held and not self.pipeline:
            held, self.held = self.held, b""
            self.data_received(held)
        if self.busy():
            return
        if self._status:
            self._tell()
        elif self.half_closed:
            self.transport.close()

    def busy(self) -> bool:
        """Tell whether an answer is still to be sent."""
        return self.answering > 0

    def refuse(self, status: int) -> None:
        """Refuse the message that is being read, once those before it are answered, and end the connection."""
        telemetry.CONNECTIONS_ENDED.labels(str(status)).inc()
        self.deaf, self._status = True, status
        if self._drop_unfinished():
            self.linger()  # it has been answered, or is being answered: there is no place for another word
        elif not self.busy():
            self._tell()

    def _drop_unfinished(self) -> bool:
        """Forget the message that will not become whole; tell whether its answer has begun."""
        if not self.within or not self._in_body:
            return False
        cycle = self.cycle
        if cycle.response_started:
            return True
        self.answering -= 1
        if self.pipeline:
            self.pipeline.popleft()
        else:
            cycle.disconnected = True
            cycle.message_event.set()
        return False

    def _tell(self) -> None:
        """Write the refusal and end."""
        code, detail = _REFUSALS[self._status]
        body = problem_body(self._status, code, detail)
        fields = [
            *self.server_state.default_headers,
            (b"content-type", b"application/problem+json"),
            (b"content-length", b"%d" % len(body)),
        ]
        head = b"".join([b"%b: %b\r\n" % field for field in fields])
        self.transport.write(b"".join((STATUS_LINE[self._status], head, b"connection: close\r\n\r\n", body)))
        self.linger()

    def linger(self) -> None:
        """End the connection so that the last answer arrives: bytes still on their way would otherwise cut it off."""
        self.deaf = True
        self._unset_keepalive_if_required()
        if self.transport.can_write_eof() and not self.half_closed:
            self.transport.write_eof()
            self.flow.resume_reading()
            self.loop.call_later(_LINGER_S, self.transport.close)
        else:
            self.transport.close()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer what came before a half close; tell whether the connection stays open for it."""
        if self.within and not self.deaf:
            self._drop_unfinished()
        self.half_closed = True
        return self.busy()

    def pause_writing(self) -> None:
        """Read nothing from somebody who does not read, and give them up after a while."""
        super().pause_writing()
        self.flow.pause_reading()
        if self._stalled is None:
            self._stalled = self.loop.call_later(STALLED_S, self._give_up)

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        self.flow.resume_reading()
        if not self.busy():
            self.settle()

    def _give_up(self) -> None:
        telemetry.CONNECTIONS_ENDED.labels("stalled").inc()
        self.transport.abort()
