"""What is found in a rule before it is published."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from app.data.conditions.syntax import Wrong
from app.data.segments.domain import NAME as SEGMENT
from app.decisions.rules import language
from app.decisions.rules.domain import NEEDS, Rule, given
from app.documents.kinds import Facts, Finding, Names, nearest

# what without items or `where` would concern every item, and so nothing
_SOME = ("include", "exclude", "boost", "bury", "share")


def check(rule: Rule, names: Names, facts: Facts | None) -> Iterator[Finding]:
    """Give what can never work, what does not work with the present shop, and what the conditions say in words."""
    yield from _values(rule)
    yield from _conditions(rule, names)
    yield from _schedule(rule)
    for one in rule.placements:
        if one not in names["placement"]:
            yield _warning("placements", f"there is no placement {one}{nearest(one, names['placement'])}")
    if facts is None:
        return
    if rule.recommender and rule.recommender not in facts.recommenders:
        yield _error("recommender", f"there is no recommender {rule.recommender}{nearest(rule.recommender, facts.recommenders)}")
    if unknown := [one for one in rule.items if not facts.has_item(one)]:
        yield _warning("items", f"the catalogue has no item {', '.join(unknown[:5])}")


def _values(rule: Rule) -> Iterator[Finding]:
    told, (needed, possible) = given(rule), NEEDS[rule.action]
    for name in needed:
        if name not in told and not (name == "relevance" and rule.relevance == 0):
            yield _error(name, f"{rule.action} needs it")
    for name in sorted(told - {*needed, *possible}):
        takes = ", ".join((*needed, *possible))
        yield _error(name, f"{rule.action} does not take it: it takes {takes}")
    if rule.action in _SOME and not told & {"items", "where"}:
        yield _error("where", f"{rule.action} needs `items` or `where`: which items it is about")
    if rule.action == "boost" and rule.factor is not None and rule.factor <= 1:
        yield _error("factor", "a boost multiplies with more than 1; bury moves down")
    if rule.action == "bury" and rule.factor is not None and rule.factor >= 1:
        yield _error("factor", "bury multiplies with less than 1; without a factor the items come last")
    if rule.action == "share":
        if rule.at_least is None and rule.at_most is None:
            yield _error("at_least", "share needs `at_least` or `at_most`")
        elif rule.at_least is not None and rule.at_most is not None and rule.at_least > rule.at_most:
            yield _error("at_least", "is above at_most, so no list can be so")


def _conditions(rule: Rule, names: Names) -> Iterator[Finding]:
    facts = language.facts_of()
    readers: tuple[tuple[str, Any, Callable[[Any, Any], Any]], ...] = (
        ("when", rule.when, language.when), ("where", rule.where, language.where), ("formula", rule.formula, language.formula),
    )  # fmt: skip
    for field, written, read in readers:
        try:
            found = read(written, facts)
        except Wrong as wrong:
            yield _error(field, str(wrong))
            continue
        if found is None:
            continue
        for name in sorted(ref.key for ref in found.refs if ref.name == SEGMENT and ref.key not in names["segment"]):
            yield _error(field, f"there is no segment {name}{nearest(name, names['segment'])}")
        yield Finding(level="info", field=field, message=found.sentence)


def _schedule(rule: Rule) -> Iterator[Finding]:
    if rule.starts_at is not None and rule.ends_at is not None and rule.starts_at >= rule.ends_at:
        yield _error("ends_at", "is not after starts_at, so it never acts")
    elif rule.ends_at is not None and rule.ends_at <= datetime.now(UTC):
        yield _warning("ends_at", "has passed, so it acts no more")
    if not rule.enabled:
        yield Finding(level="info", field="enabled", message="it is switched off, and acts nowhere")


def _error(field: str, message: str) -> Finding:
    return Finding(level="error", field=field, message=message)


def _warning(field: str, message: str) -> Finding:
    return Finding(level="warning", field=field, message=message)
