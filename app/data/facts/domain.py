"""What a fact is, how it is named, and what it is read from. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

Value = float | str | bool | frozenset[str] | None
"""Numbers and moments (unix seconds) are floats; None is unknown."""
LARGEST = 1e15
"""Numbers beyond are unknown: no sum, product or comparison of them would be exact."""
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
DOTTED = frozenset({"trait", "consent", "ctx", "segment", "cluster", "prediction", "item.attr"})
"""Facts whose key may follow a dot instead of standing in brackets."""


class Type(StrEnum):
    """What a value is."""

    NUMBER = "number"
    TEXT = "text"
    FLAG = "flag"
    MOMENT = "moment"
    SET = "set"
    ANY = "any"
    """As it was told: traits, context and attributes hold numbers, texts, flags or lists."""


class Subject(StrEnum):
    """What a fact is about, and so what must be known to read it."""

    PERSON = "person"
    ITEM = "item"
    MOMENT = "moment"
    REQUEST = "request"


class Motion(StrEnum):
    """Whether a value changes while nothing happens but time: not at all, at known moments, or at every moment."""

    STILL = "still"
    STEPS = "steps"
    STEADY = "steady"


class Ref(NamedTuple):
    """A fact as a condition names it: its name, the key in brackets and the window, both empty for none."""

    name: str
    key: str = ""
    window: str = ""

    def __str__(self) -> str:
        key = self.key
        if key:
            plain = WORD.fullmatch(key)
            key = f".{key}" if plain and self.name in DOTTED else f"[{key}]" if plain else f"[{quoted(key)}]"
        return f"{self.name}{key}{'.' + self.window if self.window else ''}"


class View(Protocol):
    """What facts are read from; None where there is nobody, or no item."""

    person: Any
    item: Any
    now: float
    request: Mapping[str, str]
    ctx: Mapping[str, Value]
    edges: Any
    score: float


Read = Callable[[Any], Value]
"""Reads one value from a view."""


def still(ref: Ref) -> Callable[[Any], Sequence[float]]:
    """Return what tells of no moment at which a value changes by itself."""
    return lambda view: ()


Fall = Callable[[Any, float, bool], float | None]
"""Tells of a view when a fact falls below a number, or, if so asked, to it; None when it is there already, or never."""


@dataclass(frozen=True, eq=False)
class Fact:
    """An entry of the list.

    `reading` makes, of a reference, the function that reads it, once for each document. `sentence` explains it; `words` says a reference
    within a sentence, with `{key}` and `{window}`. `keys` tells what stands in brackets ('' for nothing). `values` are the texts it can be,
    or its keys where they are few. `future` gives, for a reference, the moments after now at which it changes while nothing happens,
    ascending; a fact that only falls meanwhile tells it by `falls` too, which costs less. `purpose` is what a person must allow, '' for
    nothing.
    """

    name: str
    type: Type
    sentence: str
    words: str
    reading: Callable[[Ref], Read]
    subject: Subject = Subject.PERSON
    unit: str = ""
    source: str = ""
    keys: str = ""
    key_needed: bool = False
    windows: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    motion: Motion = Motion.STILL
    future: Callable[[Ref], Callable[[Any], Sequence[float]]] = still
    falls: Callable[[Ref], Fall] | None = None
    purpose: str = ""

    @property
    def dotted(self) -> bool:
        """Tell whether a key may follow a dot."""
        return self.name in DOTTED


@dataclass(slots=True)
class Seen:
    """A view of which all is known that somebody gave."""

    person: Any = None
    item: Any = None
    now: float = 0.0
    request: Mapping[str, str] = None  # type: ignore[assignment]
    ctx: Mapping[str, Value] = None  # type: ignore[assignment]
    edges: Any = None
    score: float = 0.0
    memo: dict[Ref, Value] | None = None
    """Where facts that were read are kept, for many conditions of one view; None to keep none."""

    def __post_init__(self) -> None:
        self.request = self.request or {}
        self.ctx = self.ctx or {}


def quoted(text: str) -> str:
    """Return a text as it is spelled in a condition."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def told(value: Any) -> Value:
    """Return a value of JSON as a fact: numbers, texts, flags, and lists of texts; None for all else."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return float(value) if abs(value) <= LARGEST else None
    if isinstance(value, list | tuple | frozenset):
        return frozenset(str(one) for one in value if isinstance(one, str | int | float))
    return None
