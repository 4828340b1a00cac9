"""The moment and the request, as entries of the list of facts."""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.data.facts.domain import Fact, Motion, Read, Ref, Subject, Type, Value

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
REQUESTED = ("placement", "channel", "locale", "country", "campaign", "category")


@lru_cache(maxsize=1024)
def zone(name: str) -> tzinfo:
    """Return a time zone by its name; UTC for a name that is none."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _local(view: Any) -> datetime:
    person = view.person
    told = "" if person is None else person.more.get("t", {}).get("timezone", "")
    return datetime.fromtimestamp(view.now, zone(told if isinstance(told, str) else ""))


def _clock(name: str, type_: Type, sentence: str, words: str, read: Callable[[datetime], Value], **more: Any) -> Fact:
    return Fact(
        f"now.{name}", type_, f"{sentence} In the person's zone (trait `timezone`), else UTC.", words,
        lambda ref: lambda view: read(_local(view)), subject=Subject.MOMENT, source="clock", motion=Motion.STEADY, **more,
    )  # fmt: skip


def _requested(name: str) -> Callable[[Ref], Read]:
    return lambda ref: lambda view: view.request.get(name) or None


def _context(ref: Ref) -> Read:
    key = ref.key
    return lambda view: view.ctx.get(key)


def entries() -> list[Fact]:
    """Return the entries."""
    return [
        _clock("hour", Type.NUMBER, "The hour, 0 to 23.", "the hour of the day", lambda now: float(now.hour)),
        _clock("weekday", Type.TEXT, "The day of the week.", "the day of the week", lambda now: WEEKDAYS[now.weekday()], values=WEEKDAYS),
        _clock("day", Type.NUMBER, "The day of the month.", "the day of the month", lambda now: float(now.day)),
        _clock("month", Type.NUMBER, "The month, 1 to 12.", "the month", lambda now: float(now.month)),
        _clock("date", Type.TEXT, "The date, as 2026-11-30.", "the date", lambda now: now.date().isoformat()),
        *(
            Fact(
                f"request.{name}", Type.TEXT, f"The {name} of the request.", f"the {name} of the request",
                _requested(name), subject=Subject.REQUEST, source="request",
            )
            for name in REQUESTED
        ),
        Fact(
            "ctx", Type.ANY, "What the caller passes as `ctx.<name>`.", "{key} as the caller tells it", _context, subject=Subject.REQUEST,
            source="request", keys="name", key_needed=True,
        ),
    ]  # fmt: skip


def score_entry() -> Fact:
    """Return the entry that only formulas know: what the model, or the popular list, gives an item."""
    return Fact("score", Type.NUMBER, "The score of the item before rules.", "the score", lambda ref: lambda view: view.score,
                subject=Subject.ITEM, source="model")  # fmt: skip
