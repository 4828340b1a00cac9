"""What conditions and formulas of rules may read, and how they are read."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from app.data.conditions import language
from app.data.conditions.language import Condition, Formula
from app.data.facts import item, moments
from app.data.facts.domain import Subject
from app.data.facts.entries import Facts, everything
from app.decisions.placements import conditions
from app.decisions.rules.domain import Rule

_ABOUT_CALLS = (Subject.PERSON, Subject.MOMENT, Subject.REQUEST)


class Parsed(NamedTuple):
    """A rule's conditions and formula; None where it has none."""

    when: Condition | None
    where: Condition | None
    formula: Formula | None

    def reads(self) -> frozenset[Subject]:
        """Return what must be known to evaluate them."""
        return frozenset[Subject]().union(*(one.reads for one in self if one is not None))

    def names(self) -> frozenset[str]:
        """Return the names of the facts they read."""
        return frozenset(ref.name for one in self if one is not None for ref in one.refs)


def facts_of(segments: Callable[[], Mapping[str, int]] = dict) -> Facts:
    """Return all facts that rules may name; `segments` gives the number of each segment by name."""
    return everything(segments, [*item.entries(), moments.score_entry()])


def when(written: Any, facts: Facts) -> Condition | None:
    """Read a condition on person, moment and request, None for an empty one; raises Wrong."""
    return None if conditions.is_empty(written) else language.condition(written, facts, _ABOUT_CALLS, "`when`")


def where(written: Any, facts: Facts) -> Condition | None:
    """Read a condition on items, which may be compared with everything else, None for an empty one; raises Wrong."""
    return conditions.about_items(written, facts, "conditions on people, moments and requests stand in `when`")


def formula(written: str, facts: Facts) -> Formula | None:
    """Read a formula, None for an empty one; raises Wrong."""
    return None if conditions.is_empty(written) else language.formula(written, facts)


def parsed(rule: Rule, facts: Facts) -> Parsed:
    """Read all of a rule; raises Wrong."""
    return Parsed(when(rule.when, facts), where(rule.where, facts), formula(rule.formula, facts))
