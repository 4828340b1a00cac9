"""What a refused event is, and how it is put right. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from app.core.errors import BadRequest
from app.data.events.domain import Arrival, Event, Refused
from app.data.events.formats import segment_api
from app.data.events.sources.base import Source
from app.data.identity.domain import Identity

LONGEST_REASON = 300


@dataclass(frozen=True)
class Refusal:
    """Something that was not stored: the text of one message, or a whole body that could not be read, and why.

    `source` is the name of what reads it, `call` the call it came by, such as `track` or `batch`, `identity` the strongest id that a
    message names.
    """

    raw: bytes
    reason: str
    call: str
    how: Arrival
    client_no: int
    whole_body: bool = False
    identity: Identity | None = None
    source: str = "tracking"


@dataclass(frozen=True)
class Kept:
    """A refusal that lay in the database, opened."""

    refused_no: int
    how: Arrival
    call: str
    whole_body: bool
    raw: bytes
    source: str = "tracking"


@dataclass(frozen=True)
class Fix:
    """How messages are put right: replaced by `message`, or changed by `changes`, a JSON merge patch (RFC 7396)."""

    message: Any = None
    changes: Mapping[str, Any] | None = None


def read(kept: Kept, fix: Fix, source: Source) -> list[list[Event]]:
    """Return the events of each message of a refusal after it was put right, as its source reads them.

    Raises Refused when one is still wrong.

    A message without an id of its own gets one from its number here, so that replaying it twice stores it once.
    """
    found = []
    for place, message in enumerate(_messages(kept, fix, source)):
        if isinstance(message, dict) and fix.changes is not None:
            message = merged(message, fix.changes)
        found.append(source.read(message, replace(kept.how, spare_id=f"refused {kept.refused_no} {place}")))
    if not found:
        raise Refused("the body has no events")
    return found


def _messages(kept: Kept, fix: Fix, source: Source) -> Sequence[Any]:
    if fix.message is not None:
        listed = fix.message.get("batch") if isinstance(fix.message, dict) else None
        return listed if isinstance(listed, list) else [source.as_called(fix.message, kept.call)]
    try:
        if not kept.whole_body:
            return [orjson.loads(kept.raw)]
        return source.parse(kept.raw, kept.call).messages
    except orjson.JSONDecodeError:
        raise Refused("the message is not valid JSON in UTF-8") from None
    except BadRequest as error:
        raise Refused(error.detail) from None


def merged(value: Any, changes: Any) -> Any:
    """Apply a JSON merge patch: objects are merged, null removes, anything else replaces (RFC 7396)."""
    if not isinstance(changes, Mapping):
        return changes
    result = dict(value) if isinstance(value, dict) else {}
    for name, change in changes.items():
        if change is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), change)
    return result


def refused(message: Any, reason: str, call: str, how: Arrival, client_no: int, source: str = "tracking") -> Refusal | None:
    """Return the refusal of a message; None for one that is nested deeper than can be written."""
    raw = _written(message)
    return None if raw is None else Refusal(raw, reason, call, how, client_no, identity=_identity(message, how), source=source)


def _written(message: Any) -> bytes | None:
    try:
        return orjson.dumps(message)
    except TypeError:  # nested deeper than orjson goes
        return _written_deep(message)


def _written_deep(message: Any) -> bytes | None:
    try:
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
    except RecursionError:
        return None


def _identity(message: Any, how: Arrival) -> Identity | None:
    try:
        return segment_api.identities_of(message, how)[0] if isinstance(message, dict) else None
    except Refused:
        return None


def sent(kept: Kept) -> Any:
    """Return what was sent: the event, or its text where it could not be read or is nested too deeply to be shown as it is."""
    text = kept.raw.decode("utf-8", "backslashreplace")
    if kept.whole_body:
        return text
    try:
        message = orjson.loads(kept.raw)
        orjson.dumps({"message": {"message": message}})
    except (orjson.JSONDecodeError, TypeError):
        return text
    return message
