"""Reading a condition or formula that somebody wrote, and all that can be asked of it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from app.data.conditions import checking, compiled, document, future, parsing, words, writing
from app.data.conditions.syntax import Contains, Flag, Number, Term, Test, Text, Wrong, bounded, refs, walk
from app.data.facts.domain import Ref, Subject, Type
from app.data.facts.entries import Facts

EVERYTHING = frozenset(Subject)


@dataclass(frozen=True, eq=False)
class Condition:
    """A condition that was read and checked."""

    node: Test
    facts: Facts

    @cached_property
    def test(self) -> Callable[[Any], bool]:
        """The function that tells, of a view, whether it holds."""
        return compiled.test(self.node, self.facts)

    @cached_property
    def next_change(self) -> Callable[[Any], float | None]:
        """The function that tells the next moment at which it changes by time alone; raises Wrong where that cannot be told."""
        checking.moving(self.node, self.facts)
        return future.next_change(self.node, self.facts)

    @cached_property
    def refs(self) -> frozenset[Ref]:
        """The facts it reads."""
        return refs(self.node)

    @cached_property
    def reads(self) -> frozenset[Subject]:
        """What must be known to evaluate it."""
        return checking.subjects(self.node, self.facts)

    @cached_property
    def text(self) -> str:
        """Its spelling for people."""
        return writing.text(self.node)

    @cached_property
    def document(self) -> Any:
        """Its spelling for programs; where there is none of its own, the text."""
        if any(isinstance(one, Contains) and not isinstance(one.part, Number | Text | Flag) for one in walk(self.node)):
            return self.text
        return document.write(self.node)

    @cached_property
    def sentence(self) -> str:
        """What it says in words."""
        return words.sentence(self.node, self.facts)


@dataclass(frozen=True, eq=False)
class Formula:
    """A formula that was read and checked."""

    node: Term
    facts: Facts

    @cached_property
    def number(self) -> Callable[[Any], float | None]:
        """The function that gives its number; None where it is unknown or not finite."""
        return compiled.number(self.node, self.facts)

    @cached_property
    def refs(self) -> frozenset[Ref]:
        """The facts it reads."""
        return refs(self.node)

    @cached_property
    def reads(self) -> frozenset[Subject]:
        """What must be known to evaluate it."""
        return checking.subjects(self.node, self.facts)

    @cached_property
    def text(self) -> str:
        """Its spelling."""
        return writing.text(self.node)

    @cached_property
    def sentence(self) -> str:
        """What it says in words."""
        return words.sentence(self.node, self.facts)


def condition(written: Any, facts: Facts, allowed: Collection[Subject] = EVERYTHING, what: str = "this") -> Condition:
    """Read a condition from its text or document; `allowed` is what may be known where it stands, named `what`. Raises Wrong."""
    node = document.read(written, facts)
    bounded(node)
    checking.checked(node, facts)
    checking.only(node, facts, allowed, what)
    return Condition(node, facts)


def formula(written: str, facts: Facts, allowed: Collection[Subject] = EVERYTHING, what: str = "this") -> Formula:
    """Read a formula from its text; raises Wrong."""
    if not isinstance(written, str):
        raise Wrong("a formula is a text")
    node = parsing.formula(written, facts)
    checking.checked(node, facts)
    if checking.type_of(node, facts) not in (Type.NUMBER, Type.ANY):
        raise Wrong("a formula gives a number")
    checking.only(node, facts, allowed, what)
    return Formula(node, facts)
