"""Closes connections without losing a request: a server that stops tells each with its next answer, and waits a moment for it."""

import asyncio
import select
from weakref import WeakSet

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from app.core.connection import BoundedProtocol

GRACE_S = 1.0
_AGAIN_S = 0.01
_stopping: WeakSet[ServerState] = WeakSet()


class DrainingProtocol(BoundedProtocol):
    """A connection that is open when the server stops: its next answer says `Connection: close`, and is its last one.

    One without a request is closed after a moment, not at once: its request may have left the client already; cut off, that
    client would see an error although all is well.
    """

    ending = False
    _told: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; a connection that was accepted while the server stops gets one answer."""
        super().connection_made(transport)
        if self.server_state in _stopping:
            self.shutdown()

    def shutdown(self) -> None:
        """Begin a graceful end of this connection."""
        _stopping.add(self.server_state)
        self.ending = True
        if self.answering:
            self._tell_with(self.cycle)
        self.loop.call_later(GRACE_S, self.end)

    def on_headers_complete(self) -> None:
        """Let the last of the requests that came be told."""
        before = self.cycle
        super().on_headers_complete()
        if self.ending:
            if before is not None and before is self._told and not before.response_started:
                before.keep_alive = True
            self._tell_with(self.cycle)

    def _tell_with(self, cycle: RequestResponseCycle) -> None:
        if cycle.keep_alive and not cycle.response_started:
            cycle.keep_alive, self._told = False, cycle

    def end(self) -> None:
        """End this connection unless it has a request: then its answer is the last."""
        if self.transport.is_closing() or self.deaf:
            return
        if self.busy() or self.within:
            self.loop.call_later(GRACE_S, self.end)
        elif self._readable():
            self.loop.call_later(_AGAIN_S, self.end)
        else:
            self.transport.close()

    def _readable(self) -> bool:
        """Tell whether bytes have arrived that the loop has not read yet."""
        socket = self.transport.get_extra_info("socket")
        if socket is None or self.flow.read_paused:
            return False
        poll = select.poll()
        poll.register(socket.fileno(), select.POLLIN)
        return any(event & select.POLLIN for _, event in poll.poll(0))
