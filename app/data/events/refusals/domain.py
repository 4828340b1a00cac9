"""What a refused event is, and how it is put right. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from app.core.errors import BadRequest
from app.data.events import batch, segment
from app.data.events.domain import Event
from app.data.events.segment import Arrival, Refused

LONGEST_REASON = 300


@dataclass(frozen=True)
class Refusal:
    """Something that was not stored: the text of one message, or a whole body that could not be read, and why.

    `call` is the route it came by, such as `track` or `batch`.
    """

    raw: bytes
    reason: str
    call: str
    how: Arrival
    client_no: int
    whole_body: bool = False


@dataclass(frozen=True)
class Kept:
    """A refusal as it lies in the database; `raw` is open."""

    refused_no: int
    reason: str
    received: datetime
    skew: timedelta
    anonymous_only: bool
    client_no: int
    call: str
    whole_body: bool
    person_no: int | None
    size: int
    raw: bytes

    @property
    def how(self) -> Arrival:
        """Return how it arrived, as if it had just been read."""
        return Arrival(self.received, self.skew, self.anonymous_only)


@dataclass(frozen=True)
class Fix:
    """How messages are put right: replaced by `message`, or changed by `changes`, a JSON merge patch (RFC 7396)."""

    message: Any = None
    changes: Mapping[str, Any] | None = None


def read(kept: Kept, fix: Fix) -> list[list[Event]]:
    """Return the events of each message of a refusal after it was put right; raises Refused when one is still wrong.

    A message without an id of its own gets one from its number here, so that replaying it twice stores it once.
    """
    found = []
    for place, message in enumerate(_messages(kept, fix)):
        if isinstance(message, dict):
            message = merged(message, fix.changes) if fix.changes is not None else message
            if isinstance(message, dict) and not message.get("messageId"):
                message = {**message, "messageId": f"refused {kept.refused_no} {place}"}
        found.append(segment.read(message, kept.how))
    if not found:
        raise Refused("the body has no events")
    return found


def _messages(kept: Kept, fix: Fix) -> list[Any]:
    if fix.message is not None:
        listed = fix.message.get("batch") if isinstance(fix.message, dict) else None
        return listed if isinstance(listed, list) else [_of_call(fix.message, kept.call)]
    try:
        if not kept.whole_body:
            return [orjson.loads(kept.raw)]
        if kept.call == "batch":
            return list(batch.parse(kept.raw)["batch"])
        return [batch.parse_one(kept.raw, kept.call)]
    except orjson.JSONDecodeError:
        raise Refused("the message is not valid JSON in UTF-8") from None
    except BadRequest as error:
        raise Refused(error.detail) from None


def _of_call(message: Any, call: str) -> Any:
    return {"type": call, **message} if isinstance(message, dict) and call != "batch" else message


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


def identity_of(raw: bytes, how: Arrival) -> tuple[int, str] | None:
    """Return the strongest id that a refused message names, if it can be told at all."""
    try:
        message = orjson.loads(raw)
        return segment.identities_of(message, how)[0] if isinstance(message, dict) else None
    except (orjson.JSONDecodeError, Refused):
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
