"""The facts of one person in words: by name as conditions spell them, with the words of what the person looked at."""

from collections.abc import Collection
from typing import Any

from app.data.conditions import parsing, syntax
from app.data.conditions.syntax import Wrong
from app.data.conditions.words import ref_in_words
from app.data.facts.domain import Fact, Ref, Seen, Subject, Type, Value
from app.data.facts.entries import Facts, everything
from app.data.facts.packed import PersonFacts
from app.data.facts.standing import Edges

_FACTS = everything()
_NAMED_THERE = {"prediction": "p", "clustering": "k"}
_TOLD_ELSEWHERE = ("trait", "consent", "segment")


def told(person: PersonFacts, now: float, edges: Edges, categories: Collection[str], brands: Collection[str]) -> dict[str, Any]:
    """Return what is known of a person by the spelling of each fact; counts that are zero are left out.

    `categories` and `brands` are the words that facts are told for.
    """
    view, found = Seen(person=person, now=now, edges=edges), {}
    for fact in _FACTS.by_name.values():
        if fact.subject is Subject.PERSON and fact.name not in _TOLD_ELSEWHERE:
            for ref in _refs(fact, person, {"category": categories, "brand": brands}):
                value = fact.reading(ref)(view)
                if value is not None and not (value == 0 and (ref.window or ref.key)):
                    found[str(ref)] = _plain(value, fact)
    return found


def in_words(name: str, facts: Facts = _FACTS) -> str:
    """Return a fact as a sentence says it, by its spelling; what cannot be read as it is."""
    try:
        found = parsing.formula(name, facts)
    except Wrong:
        return name
    return ref_in_words(found.ref, facts) if isinstance(found, syntax.Fact) else name


def _refs(fact: Fact, person: PersonFacts, words: dict[str, Collection[str]]) -> list[Ref]:
    if fact.keys in _NAMED_THERE:
        keys: Collection[str] = sorted(person.more.get(_NAMED_THERE[fact.keys], {}))
    elif fact.keys:
        keys = words.get(fact.keys, fact.values)
    else:
        keys = ("",)
    return [Ref(fact.name, key, window) for key in keys for window in ("", *fact.windows)]


def _plain(value: Value, fact: Fact) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    return round(value, 4) if fact.type is Type.NUMBER and isinstance(value, float) else value
