"""What every call with events does between its socket and its answer, on the short way and on the documented routes alike."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import Request

from app.access.domain import Principal
from app.core.errors import BadRequest
from app.core.telemetry import EVENT_FLAWS
from app.data.events.formats.segment_api import arrival
from app.data.events.intake import Intake
from app.data.events.refused.refusal import Refusal, refused
from app.data.events.refused.service import Refusals
from app.data.events.sources.base import LARGEST_BODY, Read, Source

MOST_WARNINGS = 100
NO_CONSENT = "the person withdrew consent"


@dataclass(frozen=True)
class Outcome:
    """What became of a call: counts of messages, each refused one with its position and reason, and what of stored ones was left out."""

    accepted: int
    duplicates: int
    refused: list[tuple[int, str]]
    unknown_items: list[str]
    warnings: list[tuple[int, str]]


@dataclass(frozen=True)
class Body:
    """What a caller sent: its document with its messages, or what is wrong with it.

    `raw` is None where the body was too long to be read whole. `gpc` tells that the browser that sent it signals Global Privacy Control.
    """

    raw: bytes | None
    document: dict[str, Any]
    messages: Sequence[Any] = ()
    several: bool = True
    problem: BadRequest | None = None
    gpc: bool = False

    @property
    def events(self) -> int:
        """Return how many messages there are."""
        return len(self.messages)


async def read_body(request: Request, source: Source, call: str) -> Body:
    """Read the body of a call of a source; raises BadRequest where it is packed in a way that cannot be unpacked."""
    body = await _bytes(request)
    try:
        parsed = source.parse(body, call)
    except BadRequest as problem:
        return Body(body if len(body) <= LARGEST_BODY else None, {}, problem=problem)
    return Body(body, *parsed, gpc=request.headers.get("sec-gpc") == "1")


async def take(intake: Intake, refusals: Refusals, caller: Principal, body: Body, source: Source, call: str) -> Outcome:
    """Store what a body holds; what cannot be stored, and a body that cannot be read, is kept with the reason first.

    Raises BadRequest for a body that cannot be read and for a single event that was refused, and Unavailable.
    """
    how = arrival(body.document, datetime.now(UTC), anonymous_only=caller.public, gpc=body.gpc and caller.public)
    if body.problem is not None:
        if body.raw is not None:
            whole = Refusal(body.raw, body.problem.detail, call, how, caller.client_no, whole_body=True, source=source.name)
            await refusals.keep(caller.tenant, [whole])
        raise body.problem
    read = source.read_all(body.messages, how)
    if read.refused:
        kept = (refused(body.messages[place], why, call, how, caller.client_no, source.name) for place, why in read.refused)
        await refusals.keep(caller.tenant, [one for one in kept if one is not None])
    outcome = await _store(intake, caller.tenant, source, read)
    if not body.several:
        for _, reason in outcome.refused:
            if reason != NO_CONSENT:
                raise BadRequest(f"The event was not stored: {reason}.")
    return outcome


async def _store(intake: Intake, tenant: int, source: Source, read: Read) -> Outcome:
    """Store messages durably; raises Unavailable when the database is away or too much waits already, and then stores none."""
    stored = await intake.store(tenant, read.events, source.claim)
    told = read.refused + [(read.positions[place], NO_CONSENT) for place in stored.no_consent]
    warnings = []
    for place in sorted(stored.landed):
        for flaw in dict.fromkeys(flaw for event in read.events[place] for flaw in event.flaws):
            EVENT_FLAWS.labels("http", flaw.what).inc()
            warnings.append((read.positions[place], flaw.text))
    if len(warnings) > MOST_WARNINGS:
        rest = f"{len(warnings) - MOST_WARNINGS + 1} more warnings are not listed"
        warnings[MOST_WARNINGS - 1 :] = [(warnings[MOST_WARNINGS - 1][0], rest)]
    return Outcome(len(stored.landed), len(stored.doubles), sorted(told), sorted(stored.unknown_items)[:100], warnings)


async def _bytes(request: Request) -> bytes:
    """Read a body up to the limit of a batch, unpacked if the sender packed it; one that is larger is cut right after the limit."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            return bytes(body)
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return bytes(body)
    if encoding not in ("gzip", "x-gzip"):
        raise BadRequest("A body may be packed with gzip or not at all.", code="unsupported_encoding", status=415)
    return _unpacked(bytes(body))


def _unpacked(body: bytes) -> bytes:
    """Unpack all members of a gzip body, up to one byte over the limit of a batch; raises BadRequest where one is damaged or cut."""
    made = b""
    while body:
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            made += member.decompress(body, LARGEST_BODY + 1 - len(made))
        except zlib.error:
            raise BadRequest("The body is not valid gzip.") from None
        if len(made) > LARGEST_BODY:
            return made
        if not member.eof:
            raise BadRequest("The gzip of the body is cut off.")
        body = member.unused_data.lstrip(b"\0")  # padding is allowed behind a member
    return made
