"""Signals of e-mail and web: what was sent, what came back, and to which serve it belongs. Pure.

They are counted, each under its own name, so that every rate has its denominator; none of them gives weight in a history
but a click on an item.
"""

from functools import lru_cache
from typing import Any

from app.core.ids import unshort
from app.data.events.domain import About
from app.data.events.formats.names import squeezed
from app.data.events.machines import Client, Mark, classify
from app.data.kinds import Kind, Signal

# Segment's e-mail events, and the names other senders use for them, in lower case with single spaces.
_NAMES: dict[str, Signal] = {
    "email sent": Signal.SENT,
    "email delivered": Signal.DELIVERED,
    "email bounced": Signal.BOUNCE,
    "email marked as spam": Signal.COMPLAINT,
    "email unsubscribed": Signal.UNSUBSCRIBE,
    "unsubscribed": Signal.UNSUBSCRIBE,
    "email opened": Signal.OPEN,
    "email link clicked": Signal.CLICK,
    "email clicked": Signal.CLICK,
}
_OF_KINDS = {Kind.IMPRESSION: Signal.IMPRESSION, Kind.CLICK: Signal.CLICK}
_RESPONSES = frozenset({Signal.OPEN, Signal.CLICK})
_CAMPAIGN = ("send_id", "campaign", "campaign_id")
# How senders tell that they take an open or a click for a machine's: Braze, SendGrid, and a plain name.
_TOLD = ("is_suspected_bot_click", "sg_machine_open", "machine")
_LONGEST = 255


_SQUEEZED = {squeezed(name): signal for name, signal in _NAMES.items()}


@lru_cache(maxsize=4096)
def signal_of(name: str) -> Signal | None:
    """Return the signal that an event's name stands for, whatever its case and separators; None when it is none."""
    return _SQUEEZED.get(squeezed(name))


def about(name: str, kind: Kind, properties: dict[str, Any], context: Any, *, public: bool = False) -> About | None:
    """Return what makes a tracked event a signal; None when it is none.

    An impression or a click on an item is one when it names the `recommendation_id` of our answer. A public key tells only
    these two: anybody could invent letters with it. What cannot be read is left out, never a reason to lose the event.
    """
    signal = None if public else signal_of(name)
    recommendation_id = _recommendation_id(properties.get("recommendation_id"))
    if signal is None and recommendation_id is not None:
        signal = _OF_KINDS.get(kind)
    if signal is None:
        return None
    client, mark = None, None
    if signal in _RESPONSES:
        client, mark = _machine(properties, context, signal)
    campaign = next((found for field in _CAMPAIGN if (found := _text(properties.get(field)))), None)
    return About(signal, recommendation_id, campaign, _text(properties.get("placement")), client, mark)


def _machine(properties: dict[str, Any], context: Any, signal: Signal) -> tuple[Client | None, Mark | None]:
    agent = (context.get("userAgent") or context.get("user_agent")) if isinstance(context, dict) else None
    client, mark = classify(agent, opened=signal is Signal.OPEN) if isinstance(agent, str) and agent else (None, None)
    told = any(properties.get(field) is True for field in _TOLD)
    return client, Mark.TOLD if told and mark is None else mark


def _recommendation_id(value: Any) -> bytes | None:
    if not isinstance(value, str) or len(value) > 24:
        return None
    try:
        found = unshort(value)
    except ValueError:
        return None
    return found if len(found) == 16 else None


def _text(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    text = str(value).strip()
    return text if text and "\0" not in text and len(text.encode("utf-8", "replace")) <= _LONGEST else None
