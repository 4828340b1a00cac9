"""Traits: what is told of a person by name, of which type it is, who told it, and whose word counts. Pure."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from app.core.settings import TRAIT_SOURCES

SOURCES = TRAIT_SOURCES
"""Who tells traits, the one whose word counts most first, unless a setting says otherwise."""
API, FILE, IDENTIFY, COMPUTED = SOURCES
MOST, LONGEST_NAME, LONGEST_TEXT, DEEPEST = 100, 64, 500, 5
_MOST_REMOVED = 100
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:?\d\d)?)?").fullmatch
_LARGEST = 2**63
# By name and source, the value told last and when, in microseconds since 1970; null where the source took its word back.
Told = dict[str, dict[str, list[Any]]]


class TraitType(StrEnum):
    """What a value is: a JSON number, a true or false, an ISO date or moment, a list of texts, or else a text."""

    NUMBER = "number"
    TEXT = "text"
    FLAG = "flag"
    MOMENT = "moment"
    SET = "set"


class Trait(NamedTuple):
    """A trait whose word counts: the value as it was told, its type, who told it, and when, in microseconds since 1970."""

    value: Any
    type: TraitType
    source: str
    at: int

    def number(self) -> float | None:
        """Return it as a number: a moment in unix seconds, a flag as 0 or 1; None for texts and sets."""
        if self.type is TraitType.MOMENT:
            return moment(self.value)
        return None if self.type in (TraitType.TEXT, TraitType.SET) else float(self.value)


def traits_of(members: Iterable[bytes | str | Told], order: tuple[str, ...] = SOURCES) -> dict[str, Trait]:
    """Return the traits of a person by name, from what is kept of each of the ids that are this person, in any order.

    The word of the source that stands first in `order` counts, of one source the newest, of one moment the last by value. What a
    source took back, or the API took away, counts no more if it was told until then.
    """
    found: list[Told] = []
    for one in members:
        told: Told = one if isinstance(one, dict) else orjson.loads(one) if len(one) > 2 else {}
        if told:
            found.append(told)
    if not found:
        return {}
    ranks, removed = _ranks(order), _removed(found)
    best: dict[str, tuple[tuple[int, int], Trait]] = {}
    for told in found:
        for name, by in told.items():
            for source, (value, at) in by.items():
                if value is None or (removed and at <= max(removed.get((name, source), -1), removed.get((name, API), -1))):
                    continue
                for inner, plain in _plain(name, value):
                    _better(best, inner, (ranks.get(source, -len(ranks)), at), Trait(plain, type_of(plain), source, at))
    return {name: best[name][1] for name in sorted(best)}


def tell(told: Told, source: str, name: str, value: Any, at: int) -> str | None:
    """Put what a source says into what is kept of one id; say why it was refused, or None.

    What was told later stays, whatever comes first. A value of None takes the source's word back, one of the API everybody's.
    """
    by = told.get(name, {})
    if (gone := by.get(API)) is not None and gone[0] is None and at <= gone[1]:
        return None
    if (kept := by.get(source)) is not None and _weight(*kept) >= _weight(value, at):
        return None
    if value is not None and not _stands(by) and sum(1 for one in told.values() if _stands(one)) >= MOST:
        return f"the person has {MOST} traits, and no more are kept"
    by = {**by, source: [value, at]}
    if value is None and source == API:
        by = {who: one for who, one in by.items() if who == API or one[1] > at}
    told[name] = by
    if value is None:
        _forget_oldest(told)
    return None


def flattened(traits: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what an object tells as traits, objects within as `address.city`, and what cannot be kept, by name, with the reason."""
    values: dict[str, Any] = {}
    faults: dict[str, str] = {}
    _flatten(traits, "", 1, values, faults)
    return values, faults


def type_of(value: Any) -> TraitType:
    """Return the type of a value that can be kept."""
    if isinstance(value, str):
        return TraitType.MOMENT if value[4:5] == "-" and moment(value) is not None else TraitType.TEXT
    if isinstance(value, bool):
        return TraitType.FLAG
    return TraitType.NUMBER if isinstance(value, int | float) else TraitType.SET


def moment(text: str) -> float | None:
    """Return an ISO date or moment in unix seconds, in UTC where it names no zone; None for any other text."""
    if not _MOMENT(text):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def micros(at: datetime) -> int:
    """Return a moment in microseconds since 1970, exactly."""
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def left_out(name: str, why: str) -> str:
    """Say that a trait was not kept."""
    return f"trait {name}: {why}; it was left out"


def order_of(text: str) -> tuple[str, ...]:
    """Return the order of sources that a setting names, those it leaves out behind the others."""
    named = tuple(dict.fromkeys(part for one in text.split(",") if (part := one.strip())))
    return (*named, *(source for source in SOURCES if source not in named))


@lru_cache(maxsize=16)
def _ranks(order: tuple[str, ...]) -> dict[str, int]:
    return {source: -place for place, source in enumerate(order)}


def _weight(value: Any, at: int) -> tuple[int, bool, bytes]:
    """Order what one source says of one trait: by moment, then what takes it back, then by value."""
    return at, value is None, orjson.dumps(value)


def _better(best: dict[str, tuple[tuple[int, int], Trait]], name: str, key: tuple[int, int], trait: Trait) -> None:
    known = best.get(name)
    if known is None or key > known[0] or (key == known[0] and orjson.dumps(trait.value) > orjson.dumps(known[1].value)):
        best[name] = key, trait


def _removed(found: list[Told]) -> dict[tuple[str, str], int]:
    gone: dict[tuple[str, str], int] = {}
    for told in found:
        for name, by in told.items():
            for source, (value, at) in by.items():
                if value is None:
                    gone[name, source] = max(at, gone.get((name, source), at))
    return gone


def _stands(by: Mapping[str, list[Any]]) -> bool:
    return any(one[0] is not None for one in by.values())


def _forget_oldest(told: Told) -> None:
    """Keep a bounded number of names of which nothing is left but that they were taken back."""
    gone = sorted((max(one[1] for one in by.values()), name) for name, by in told.items() if not _stands(by))
    for _, name in gone[: max(0, len(gone) - _MOST_REMOVED)]:
        del told[name]


def _plain(name: str, value: Any) -> Iterable[tuple[str, Any]]:
    """Give a value as it counts; of earlier versions objects and mixed lists are kept as they were told."""
    if isinstance(value, dict):
        return flattened({name: value})[0].items()
    if isinstance(value, list) and not all(isinstance(one, str) for one in value):
        return ((name, sorted({one if isinstance(one, str) else orjson.dumps(one).decode() for one in value})),)
    return ((name, value),)


def _flatten(traits: Mapping[str, Any], before: str, depth: int, values: dict[str, Any], faults: dict[str, str]) -> None:
    for key, value in traits.items():
        name = f"{before}{key}"
        if isinstance(value, dict):
            if depth >= DEEPEST:
                faults[name[:LONGEST_NAME]] = f"objects are nested more than {DEEPEST} deep"
            else:
                _flatten(value, f"{name}.", depth + 1, values, faults)
        elif fault := _name_fault(name) or _value_fault(value):
            faults[name[:LONGEST_NAME]] = fault
        else:
            values[name] = sorted(set(value)) if isinstance(value, list) else value


def _name_fault(name: str) -> str:
    if not name.strip() or not name.isprintable():
        return "the name is empty or holds characters that cannot be shown"
    return f"the name is longer than {LONGEST_NAME} characters" if len(name) > LONGEST_NAME else ""


def _value_fault(value: Any) -> str:
    texts = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    if not all(isinstance(one, str) for one in texts):
        return "a list may hold texts only"
    if sum(map(len, texts)) > LONGEST_TEXT:
        return f"the value is longer than {LONGEST_TEXT} characters"
    if any("\0" in one or any("\ud800" <= sign <= "\udfff" for sign in one) for one in texts):
        return "the value holds characters that cannot be kept"
    whole = isinstance(value, int) and not isinstance(value, bool)
    return "the number has more than 64 bits" if whole and not -_LARGEST <= value < _LARGEST else ""
