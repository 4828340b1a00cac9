"""The words of an answer: rungs, reasons, and the answer itself before it is written out."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any


class Word(StrEnum):
    """A word of answers; its place among its like is its `number` in pins and serve records, so words are only ever appended."""

    number: int

    def __init__(self, _: str) -> None:
        self.number = len(type(self).__members__)

    # words are keys on the fast path, and the one of enumerations is written in Python
    __hash__ = str.__hash__


class Reason(Word):
    """Why an answer comes from no higher rung; empty where it comes from the highest."""

    NONE = ""
    NO_USER = "no_user"
    UNKNOWN_USER = "unknown_user"
    NO_CONSENT = "no_consent"
    LOW_CONFIDENCE = "low_confidence"
    TOO_FEW_ITEMS = "too_few_items"
    DEADLINE = "deadline"
    MODEL_MISSING = "model_missing"
    MODEL_ERROR = "model_error"
    CACHE_DOWN = "cache_down"
    DATABASE_DOWN = "database_down"
    RATE_LIMITED = "rate_limited"
    OVERLOAD = "overload"
    UNKNOWN_PLACEMENT = "unknown_placement"
    DATABASE_SLOW = "database_slow"


class ItemReason(Word):
    """Why an item is in an answer."""

    FOR_YOU = "for_you"
    BOUGHT_BEFORE = "bought_before"
    GOES_WITH = "goes_with"
    POPULAR = "popular"
    POPULAR_IN_CATEGORY = "popular_in_category"
    POPULAR_IN_COUNTRY = "popular_in_country"
    FIXED = "fixed"
    PINNED = "pinned"
    POPULAR_IN_SEGMENT = "popular_in_segment"
    NEW = "new"


REASONS, ITEM_REASONS = tuple(Reason), tuple(ItemReason)
Pick = tuple[int, float, ItemReason]  # one chosen item: its index in the catalogue, its score, and why it is here


@dataclass(frozen=True, eq=False)
class Rung:
    """A rung of the ladder; `number` stands for it in pins and serve records.

    `give` returns the picks of a climb, or None when it must wait (see `Climb`). What an `own` rung gives comes from the person's own
    history, so it needs their consent; a `fallback` is lower than a current list; only `scored` ones need a model, and may wait.
    """

    name: str
    number: int
    give: Callable[[Any], list[Pick] | None]
    own: bool = False
    fallback: bool = True
    scored: bool = True

    @cached_property
    def header(self) -> bytes:
        """The rung as a header says it."""
        return self.name.encode()

    @cached_property
    def json(self) -> str:
        """The rung as two members of a JSON object say it."""
        return f'"source":"{self.name}","fallback":{"true" if self.fallback else "false"},'


class Outcome:
    """What the ladder decided; `version` is that of the model, `pinned` tells that an earlier call decided it, for `pinned_items`.
    `parts` are those of a block that has several, see `composed.py`; their items all stand in `picks`."""

    recommendation_id: bytes = b""
    person_no: int = 0
    pinned: bool = False
    pinned_items: int = 0
    parts: tuple[Any, ...] = ()

    def __init__(self, rung: Rung, reason: Reason, picks: list[Pick], model_no: int = 0, recommender: str = "", version: str = "") -> None:
        self.rung, self.reason, self.picks = rung, reason, picks
        self.model_no, self.recommender, self.version = model_no, recommender, version
