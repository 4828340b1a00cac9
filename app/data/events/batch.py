"""A batch of tracking messages: limits, doubles within the batch, and what is told to the sender."""

from dataclasses import dataclass
from typing import Any

import orjson

from app.core.db import Database
from app.core.errors import BadRequest
from app.core.telemetry import EVENTS_ACCEPTED
from app.data.events import segment, store
from app.data.events.domain import Event
from app.data.events.service import accept
from app.data.people.keys import DataKeys
from app.data.reach import or_unavailable

LARGEST_BATCH = 512_000
MOST_MESSAGES = 2_500


@dataclass(frozen=True)
class Outcome:
    """What became of a batch: counts of messages, and each refused one with its position and reason."""

    accepted: int
    duplicates: int
    refused: list[tuple[int, str]]
    unknown_items: list[str]


def parse(body: bytes) -> dict[str, Any]:
    """Read the body of a batch; raises BadRequest when it is too large or no batch at all."""
    if len(body) > LARGEST_BATCH:
        raise BadRequest(f"A batch may have {LARGEST_BATCH} bytes; send smaller ones.", code="too_large")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadRequest("The body is not valid JSON.") from None
    if not isinstance(document, dict) or not isinstance(document.get("batch"), list):
        raise BadRequest('The body must be an object with a list under "batch".')
    if len(document["batch"]) > MOST_MESSAGES:
        raise BadRequest(f"A batch may have {MOST_MESSAGES} events; send smaller ones.", code="too_large")
    return document


async def take(db: Database, tenant: int, document: dict[str, Any], how: segment.Arrival, keys: DataKeys) -> Outcome:
    """Store the messages of a batch in one transaction; raises Unavailable when the database cannot be reached."""
    events: list[Event] = []
    positions: list[int] = []
    refused: list[tuple[int, str]] = []
    seen: set[bytes] = set()
    twice = 0
    for position, message in enumerate(document["batch"]):
        try:
            found = segment.read(message, how)
        except segment.Refused as reason:
            refused.append((position, str(reason)))
            continue
        if found[0].message_id in seen:
            twice += 1
            continue
        seen.add(found[0].message_id)
        events.extend(found)
        positions.extend([position] * len(found))
    with or_unavailable("Events cannot be stored now; send them again."):
        async with db.begin() as connection:
            outcome = await accept(connection, tenant, events, keys=keys, claim=lambda ids: store.claim_messages(connection, tenant, ids))
    landed = {positions[i] for i in outcome.landed}
    silent = {positions[i] for i in outcome.no_consent}
    EVENTS_ACCEPTED.labels("http").inc(len(landed))
    refused.extend((position, "the person withdrew consent") for position in silent)
    doubles = twice + len({positions[i] for i in outcome.duplicates})
    return Outcome(len(landed), doubles, sorted(refused), sorted(outcome.unknown_items)[:100])
