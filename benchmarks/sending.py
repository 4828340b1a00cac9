"""Clients that send prepared requests as fast as they are answered, each over one connection."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Load:
    """Requests of one kind: events in each, clients, events in all."""

    each: int
    clients: int
    events: int


@dataclass(frozen=True)
class Took:
    """What a load took: seconds, milliseconds of each request, and statuses that were not 200."""

    seconds: float
    milliseconds: list[float]
    bad: int

    def percentile(self, share: float) -> float:
        """Return the latency that this share of the requests did not exceed, in milliseconds."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Client(asyncio.Protocol):
    """A connection that sends prepared requests one after the other."""

    def __init__(self, requests: list[bytes]) -> None:
        self._requests = iter(requests)
        self._left = len(requests)
        self._answer = bytearray()
        self._began = 0.0
        self.milliseconds: list[float] = []
        self.bad = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Keep the connection; uvloop's are no `asyncio.Transport`."""
        self._transport = transport

    def send(self) -> None:
        """Send the next request, or end."""
        if not self._left:
            self._transport.close()
            self.done.set_result(None)
            return
        self._left -= 1
        self._began = time.perf_counter()
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        """Note an answer once it is whole."""
        self._answer += data
        head, _, body = self._answer.partition(b"\r\n\r\n")
        at = head.lower().find(b"content-length:")
        if at < 0 or len(body) < int(head[at + 15 :].split(b"\r\n", 1)[0]):
            return
        self.milliseconds.append(1000 * (time.perf_counter() - self._began))
        self.bad += not head.startswith(b"HTTP/1.1 200") or b'"refused":[]' not in body
        self._answer.clear()
        self.send()

    def connection_lost(self, error: Exception | None) -> None:
        """Fail when the server closes first."""
        if not self.done.done():
            self.done.set_exception(error or ConnectionResetError("the server closed the connection"))
