"""Closes connections without losing a request: a server that stops waits a moment for what is already on its way."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

GRACE_S = 1.0


class DrainingProtocol(HttpToolsProtocol):
    """uvicorn's protocol, but a connection that is open without a request is closed after a moment, not at once.

    Its request may have left the client already; cut off, that client would see an error although all is well.
    """

    def shutdown(self) -> None:
        """Begin a graceful end of this connection."""
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(GRACE_S, self.end)
        else:
            super().shutdown()

    def end(self) -> None:
        """End this connection now, or after the answer to a request that came in the meantime."""
        super().shutdown()
