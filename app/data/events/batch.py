"""Tracking messages as they come in: limits of their bodies, and what is told to the sender."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from app.core.errors import BadRequest
from app.data.events import segment
from app.data.events.domain import Event
from app.data.events.intake import Intake

LARGEST_BATCH = 512_000
MOST_MESSAGES = 2_500
NO_CONSENT = "the person withdrew consent"


@dataclass(frozen=True)
class Outcome:
    """What became of a batch: counts of messages, and each refused one with its position and reason."""

    accepted: int
    duplicates: int
    refused: list[tuple[int, str]]
    unknown_items: list[str]


@dataclass(frozen=True)
class Body:
    """What a caller sent: its document, or what is wrong with it. `raw` is None where the body was too long to be read whole."""

    raw: bytes | None
    document: dict[str, Any]
    problem: BadRequest | None = None


def read_body(body: bytes, call: str) -> Body:
    """Read the body of a call, such as `track` or `batch`."""
    try:
        document = parse(body) if call == "batch" else parse_one(body, call)
    except BadRequest as problem:
        return Body(body if len(body) <= LARGEST_BATCH else None, {}, problem)
    return Body(body, document)


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadRequest("The body is not valid JSON in UTF-8.") from None


def parse(body: bytes) -> dict[str, Any]:
    """Read the body of a batch; raises BadRequest when it is too large or no batch at all."""
    if len(body) > LARGEST_BATCH:
        raise BadRequest(f"A batch may have {LARGEST_BATCH} bytes; send smaller ones.", code="too_large")
    document = _json(body)
    if not isinstance(document, dict) or not isinstance(document.get("batch"), list):
        raise BadRequest('The body must be an object with a list under "batch".')
    if len(document["batch"]) > MOST_MESSAGES:
        raise BadRequest(f"A batch may have {MOST_MESSAGES} events; send smaller ones.", code="too_large")
    return document


def parse_one(body: bytes, call: str) -> dict[str, Any]:
    """Read the body of a single call, such as `track`; raises BadRequest when it is too large or no object."""
    if len(body) > segment.LARGEST_EVENT:
        raise BadRequest(f"An event may have {segment.LARGEST_EVENT} bytes.", code="too_large")
    document = _json(body)
    if not isinstance(document, dict):
        raise BadRequest("The body must be an object.")
    return {**document, "type": call}


@dataclass(frozen=True)
class Messages:
    """Messages as events, one list each with its position, and the positions and reasons of those that cannot be stored."""

    events: list[list[Event]]
    positions: list[int]
    refused: list[tuple[int, str]]


def read_messages(messages: Sequence[Any], how: segment.Arrival) -> Messages:
    """Read messages, such as those of a batch."""
    found = Messages([], [], [])
    for position, message in enumerate(messages):
        try:
            found.events.append(segment.read(message, how))
        except segment.Refused as reason:
            found.refused.append((position, str(reason)))
            continue
        found.positions.append(position)
    return found


def written(message: Any) -> bytes | None:
    """Write a message as it was sent; None where it is nested deeper than can be written."""
    try:
        return orjson.dumps(message)
    except TypeError:
        return _written_deep(message)


def _written_deep(message: Any) -> bytes | None:
    try:
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
    except RecursionError:
        return None


async def take(intake: Intake, tenant: int, read: Messages) -> Outcome:
    """Store messages durably; raises Unavailable when the database is away or too much waits already, and then stores none."""
    stored = await intake.store(tenant, read.events)
    told = read.refused + [(read.positions[place], NO_CONSENT) for place in stored.no_consent]
    return Outcome(len(stored.landed), len(stored.doubles), sorted(told), sorted(stored.unknown_items)[:100])
