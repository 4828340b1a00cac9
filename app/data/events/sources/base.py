"""What a way in for events is: how it reads what was sent and claims ids, and what all of them do alike."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core import digits
from app.core.errors import BadRequest
from app.data.events import store
from app.data.events.accept import Accepted, accept
from app.data.events.domain import Event, Refused
from app.data.identity.domain import MOST_IDS
from app.data.identity.purposes import ALLOWED, Defaults
from app.data.identity.vault import DataKeys

LARGEST_BODY = 512_000
"""Bytes of a call over HTTP, unpacked."""
Claim = Callable[[AsyncConnection, int, Collection[bytes], int | None], Awaitable[set[bytes]]]
"""Returns those of the ids given that are new to a tenant, and remembers them; a file's source has a number."""


class Parsed(NamedTuple):
    """A body as JSON, its messages, and whether it may hold several: the refusal of a single one is the caller's error."""

    document: dict[str, Any]
    messages: Sequence[Any]
    several: bool


class Read(NamedTuple):
    """Messages as events, one list each with its position, and the positions and reasons of those that cannot be stored."""

    events: list[list[Event]]
    positions: list[int]
    refused: list[tuple[int, str]]


def load_json(body: bytes) -> Any:
    """Read JSON; raises BadRequest."""
    try:
        return digits.loads(body)
    except orjson.JSONDecodeError:
        raise BadRequest("The body is not valid JSON in UTF-8.") from None


def one_or_several(body: bytes, call: str) -> Parsed:
    """Read a JSON body that is one message, an object, or a list of them; raises BadRequest."""
    if len(body) > LARGEST_BODY:
        raise BadRequest(f"A call may have {LARGEST_BODY} bytes; send smaller ones.", code="too_large")
    document = load_json(body)
    if isinstance(document, list):
        return Parsed({}, document, several=True)
    if not isinstance(document, dict):
        raise BadRequest("The body must be an object or a list.")
    return Parsed(document, [document], several=False)


def as_sent(message: Any, call: str) -> Any:
    """Return a message as it is."""
    return message


@dataclass(frozen=True, eq=False)
class Source:
    """A way in for events, listed in `EVENT_SOURCES`.

    `read` gives the events of one thing that was sent, which share a message id; it raises Refused with the reason. What comes by
    HTTP is read with an `Arrival`, here and when it is replayed. `calls` are the routes it is taken from, each with the name of the
    call; `parse` reads their bodies, and `as_called` puts a message that somebody wrote anew into the form that `parse` gives.
    """

    name: str
    read: Callable[[Any, Any], list[Event]]
    claim: Claim = store.claim_messages
    calls: Mapping[str, str] = field(default_factory=dict)
    parse: Callable[[bytes, str], Parsed] = one_or_several
    as_called: Callable[[Any, str], Any] = as_sent

    def read_all(self, sent: Iterable[Any], how: Any) -> Read:
        """Read what was sent, one after the other."""
        found = Read([], [], [])
        for position, one in enumerate(sent):
            try:
                found.events.append(self.read(one, how))
            except Refused as reason:
                found.refused.append((position, str(reason)))
                continue
            found.positions.append(position)
        return found

    async def store(
        self,
        connection: AsyncConnection,
        tenant: int,
        events: Sequence[Event],
        *,
        keys: DataKeys,
        source_no: int | None = None,
        most_ids: int = MOST_IDS,
        defaults: Defaults = ALLOWED,
    ) -> Accepted:
        """Store events inside the connection's transaction, those whose ids this source claims for the first time."""

        async def claim(ids: Collection[bytes]) -> set[bytes]:
            return await self.claim(connection, tenant, ids, source_no)

        return await accept(
            connection, tenant, events, keys=keys, claim=claim, source_no=source_no, most_ids=most_ids, defaults=defaults
        )  # fmt: skip
