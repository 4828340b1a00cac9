"""What a rule does, as a sentence for people."""

from collections.abc import Callable, Mapping

from app.data.conditions.syntax import Wrong
from app.decisions.rules import language
from app.decisions.rules.domain import Rule

ACTIONS: Mapping[str, str] = {
    "include": "Only these items",
    "exclude": "None of these items",
    "boost": "More likely",
    "bury": "Less likely, or last",
    "pin": "Into a place",
    "share": "A part of the places",
    "cap": "At most so many",
    "diversity": "A mix",
    "minimum_score": "A least score",
    "freshness": "Only new items",
    "no_repeat": "Not twice",
    "bought": "Not what was bought",
    "recommender": "Another recommender",
    "formula": "A formula",
}
"""What each action does, as a list to choose from says it."""
_MOST = 3


def in_words(rule: Rule) -> str:
    """Return what a rule does to which items."""
    return _SAID[rule.action](rule, _items(rule))


def where(rule: Rule) -> str:
    """Return where it acts."""
    return ", ".join(rule.placements) or "all placements"


def when(rule: Rule) -> str:
    """Return for whom and when its condition lets it act."""
    if not rule.when:
        return "always"
    try:
        found = language.when(rule.when, language.facts_of())
    except Wrong:
        return str(rule.when)
    return _inner(found.sentence) if found is not None else "always"


def _inner(sentence: str) -> str:
    """Return a sentence as it stands within another."""
    return sentence[:1].lower() + sentence[1:].rstrip(".")


def _items(rule: Rule) -> str:
    parts = []
    if rule.items:
        more = f" and {len(rule.items) - _MOST} more" if len(rule.items) > _MOST else ""
        parts.append(f"{', '.join(rule.items[:_MOST])}{more}")
    if rule.where:
        try:
            found = language.where(rule.where, language.facts_of())
            parts.append(f"items where {_inner(found.sentence)}" if found is not None else "")
        except Wrong:
            parts.append(f"items where {rule.where}")
    return " among ".join(filter(None, parts)) or "all items"


def _times(rule: Rule) -> str:
    return f"{rule.factor:g} times as likely" if rule.factor else "more likely"


def _share(rule: Rule, items: str) -> str:
    bounds = [f"{word} {bound:.0%}" for word, bound in (("at least", rule.at_least), ("at most", rule.at_most)) if bound is not None]
    return f"{' and '.join(bounds)} of the places: {items}"


def _no_repeat(rule: Rule, items: str) -> str:
    seen = f"shown {rule.impressions} times without a click" if rule.impressions else "shown"
    return f"not what was {seen} within {rule.days} days: {items}"


def _freshness(rule: Rule, items: str) -> str:
    if rule.factor:
        return f"{_times(rule)}: of {items} those of at most {rule.days} days"
    return f"of {items} only those of at most {rule.days} days"


def _recommender(rule: Rule, _: str) -> str:
    return f"{rule.recommender} chooses{' where the own recommender knows too little' if rule.fallback else ''}"


_SAID: Mapping[str, Callable[[Rule, str], str]] = {
    "include": lambda rule, items: f"also {items}" if rule.add else f"only {items}",
    "exclude": lambda rule, items: f"never {items}",
    "boost": lambda rule, items: f"{_times(rule)}: {items}",
    "bury": lambda rule, items: f"{_times(rule) if rule.factor else 'last'}: {items}",
    "pin": lambda rule, items: f"in place {rule.place or 1}: {items}",
    "share": _share,
    "cap": lambda rule, items: f"at most {rule.most}{f' of each {rule.by}' if rule.by else ''}: {items}",
    "diversity": lambda rule, _: f"a mix of each {rule.by or 'kind'}",
    "minimum_score": lambda rule, items: f"only with a score of at least {rule.score or 0:g}: {items}",
    "freshness": _freshness,
    "no_repeat": _no_repeat,
    "bought": lambda rule, items: f"not what the person bought{f' within {rule.days} days' if rule.days else ''}: {items}",
    "recommender": _recommender,
    "formula": lambda rule, _: f"the score is {rule.formula}",
}  # fmt: skip
