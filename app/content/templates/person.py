"""What of a person a template names: facts, traits, segments. All of it is written out in the template, so that nothing else is read."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from liquid.static_analysis import Variable
from liquid.template import BoundTemplate

from app.data.conditions import parsing
from app.data.conditions.syntax import Fact, Wrong
from app.data.facts.domain import Ref
from app.data.facts.entries import Facts, everything


@dataclass(frozen=True)
class Asked:
    """What a template names: facts as they are written, traits by their name, and whether it names segments."""

    facts: Mapping[str, Ref]
    traits: Collection[str]
    segments: bool


def asked(template: BoundTemplate, source: str) -> Asked | None:
    """Return what a template names of a person; None where it names nothing."""
    uses = _uses(template, source)
    facts: dict[str, Ref] = {}
    for written in (place[2] for place in uses if len(place) > 2 and place[1] == "facts" and isinstance(place[2], str)):
        try:
            facts[written] = read(written)
        except Wrong:
            continue  # of another release: it is unknown
    traits = {place[2] for place in uses if len(place) > 2 and place[1] == "traits" and isinstance(place[2], str)}
    segments = any(len(place) > 1 and place[1] == "segments" for place in uses)
    return Asked(facts, frozenset(traits), segments) if facts or traits or segments else None


def together(*some: Asked | None) -> Asked | None:
    """Return what some templates name; None where none names anybody."""
    found = [one for one in some if one is not None]
    if not found:
        return None
    facts = {written: ref for one in found for written, ref in one.facts.items()}
    return Asked(facts, frozenset().union(*(one.traits for one in found)), any(one.segments for one in found))


def read(written: str) -> Ref:
    """Return the fact that a template names; raises Wrong."""
    found = parsing.formula(written, _facts())
    if not isinstance(found, Fact):
        raise Wrong(f"{written[:80]} is no fact")
    return found.ref


@cache
def _facts() -> Facts:
    return everything()


def _uses(template: BoundTemplate, source: str) -> list[list[Any]]:
    if "person" not in source:
        return []
    found: list[Variable] = template.analyze().globals.get("person", [])
    return [list(one.segments) for one in found]
