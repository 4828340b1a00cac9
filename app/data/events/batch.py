"""Tracking messages as they come in: limits of their bodies, and what is told to the sender."""

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


def parse_one(body: bytes, what: str) -> dict[str, Any]:
    """Read the body of a single call, such as `track`; raises BadRequest when it is too large or no object."""
    if len(body) > segment.LARGEST_EVENT:
        raise BadRequest(f"An event may have {segment.LARGEST_EVENT} bytes.", code="too_large")
    document = _json(body)
    if not isinstance(document, dict):
        raise BadRequest("The body must be an object.")
    return {**document, "type": what}


async def take(intake: Intake, tenant: int, messages: Sequence[Any], how: segment.Arrival) -> Outcome:
    """Store messages durably; raises Unavailable when the database is away or too much waits already, and then stores none."""
    read: list[list[Event]] = []
    positions: list[int] = []
    refused: list[tuple[int, str]] = []
    for position, message in enumerate(messages):
        try:
            read.append(segment.read(message, how))
        except segment.Refused as reason:
            refused.append((position, str(reason)))
            continue
        positions.append(position)
    stored = await intake.store(tenant, read)
    refused.extend((positions[place], NO_CONSENT) for place in stored.no_consent)
    return Outcome(len(stored.landed), len(stored.doubles), sorted(refused), sorted(stored.unknown_items)[:100])
