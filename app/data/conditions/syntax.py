"""What conditions and formulas consist of. Pure.

A node is a term (it has a value) or a test (it is true or false). What is unknown makes a comparison false; `known(...)` asks for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from app.data.facts.domain import Ref

MOST_CHARACTERS = 20_000
MOST_NODES = 1_000
MOST_DEPTH = 40
COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
FUNCTIONS: dict[str, tuple[int, int]] = {
    "min": (2, 8), "max": (2, 8), "abs": (1, 1), "round": (1, 1), "sqrt": (1, 1), "log": (1, 1), "exp": (1, 1), "default": (2, 2),
}  # fmt: skip
"""How many arguments each function takes, at least and at most."""


class Wrong(ValueError):
    """A condition or formula that cannot be read; `place` is the character it stands at, from 1, or the field of a document."""

    def __init__(self, message: str, place: int | str = 0) -> None:
        where = f"at character {place}: " if isinstance(place, int) and place else f"{place}: " if place else ""
        super().__init__(f"{where}{message}")
        self.message, self.place = message, place


@dataclass(frozen=True)
class Number:
    """A number."""

    value: float


@dataclass(frozen=True)
class Text:
    """A text."""

    value: str


@dataclass(frozen=True)
class Flag:
    """True or false."""

    value: bool


@dataclass(frozen=True)
class Fact:
    """The value of a fact."""

    ref: Ref


@dataclass(frozen=True)
class Arithmetic:
    """Two numbers put together by +, -, * or /."""

    op: str
    left: "Term"
    right: "Term"


@dataclass(frozen=True)
class Function:
    """A function of `FUNCTIONS`."""

    name: str
    arguments: tuple["Term", ...]


@dataclass(frozen=True)
class Choice:
    """One value where a test holds, another one where not."""

    when: "Test"
    then: "Term"
    otherwise: "Term"


@dataclass(frozen=True)
class Compare:
    """Two values compared by one of `COMPARISONS`."""

    op: str
    left: "Term"
    right: "Term"


@dataclass(frozen=True)
class Among:
    """Whether a value is one of some; for a set: whether it has one of them."""

    term: "Term"
    values: tuple["Term", ...]
    negated: bool = False


@dataclass(frozen=True)
class Contains:
    """Whether a text has another one in it, or a set a value."""

    whole: "Term"
    part: "Term"


@dataclass(frozen=True)
class Holds:
    """Whether a flag is true."""

    term: "Term"


@dataclass(frozen=True)
class Known:
    """Whether a fact is known."""

    ref: Ref


@dataclass(frozen=True)
class Not:
    """The opposite of a test."""

    test: "Test"


@dataclass(frozen=True)
class All:
    """Whether all tests hold; none holds too."""

    tests: tuple["Test", ...]


@dataclass(frozen=True)
class Either:
    """Whether one of some tests holds."""

    tests: tuple["Test", ...]


Term = Number | Text | Flag | Fact | Arithmetic | Function | Choice
Test = Compare | Among | Contains | Holds | Known | Not | All | Either
Node = Term | Test
TERMS = (Number, Text, Flag, Fact, Arithmetic, Function, Choice)


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it."""
    left: list[Any] = [node]
    while left:
        one = left.pop()
        yield one
        left.extend(_below(one))


def refs(node: Node) -> frozenset[Ref]:
    """Return the facts that a node reads."""
    return frozenset(one.ref for one in walk(node) if isinstance(one, Fact | Known))


def bounded(node: Node) -> None:
    """Refuse what is too large or too deep to be looked at in passing; raises Wrong."""
    count, level = 0, [node]
    for _ in range(MOST_DEPTH + 1):
        count += len(level)
        if count > MOST_NODES:
            raise Wrong(f"more than {MOST_NODES:,} parts: split it into segments")
        if not (level := [below for one in level for below in _below(one)]):
            return
    raise Wrong(f"nested deeper than {MOST_DEPTH} levels")


def _below(node: Any) -> Iterator[Any]:
    for field in fields(node):
        value = getattr(node, field.name)
        if isinstance(value, tuple) and not isinstance(value, Ref):
            yield from value
        elif not isinstance(value, str | float | bool | Ref):
            yield value
