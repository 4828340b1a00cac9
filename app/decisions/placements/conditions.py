"""The condition of a filter: what it may read, and whether items alone tell it."""

from collections.abc import Callable, Mapping
from typing import Any

from app.data.conditions import language
from app.data.conditions.language import Condition
from app.data.conditions.syntax import Wrong
from app.data.facts import item
from app.data.facts.domain import Subject
from app.data.facts.entries import Facts, everything

# these move while no item changes: with the clock, and with what others do
_MOVING = frozenset({"item.age", "item.popularity"})


def facts_of(segments: Callable[[], Mapping[str, int]] = dict) -> Facts:
    """Return all facts that filters may name; `segments` gives the number of each segment by name."""
    return everything(segments, item.entries())


def read(written: Any, facts: Facts) -> Condition | None:
    """Read the condition of a filter, None for an empty one; raises Wrong."""
    return about_items(written, facts, "rules show something to some people, or at some moments")


def about_items(written: Any, facts: Facts, elsewhere: str) -> Condition | None:
    """Read a condition on items, None for an empty one; raises Wrong, with what stands `elsewhere`."""
    if is_empty(written):
        return None
    found = language.condition(written, facts)
    if Subject.ITEM not in found.reads:
        raise Wrong(f"it names nothing of an item: {elsewhere}")
    return found


def is_empty(written: Any) -> bool:
    """Tell whether nothing is asked."""
    return not written or (isinstance(written, str) and not written.strip())


def of_items_alone(found: Condition) -> bool:
    """Tell whether a condition reads no person, no moment and no request."""
    return found.reads == {Subject.ITEM}


def settled(found: Condition) -> bool:
    """Tell whether what meets a condition is the same for everybody until an item changes, so that it is found once."""
    return of_items_alone(found) and not any(ref.name in _MOVING for ref in found.refs)
