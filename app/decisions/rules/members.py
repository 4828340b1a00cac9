"""Which items a rule is about: known beforehand where items alone tell it, asked of a view where not."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from app.data.facts.domain import Seen
from app.decisions.rules.ranking import Key, Member
from app.decisions.rules.vector import Bools

if TYPE_CHECKING:
    from app.decisions.rules.program import Items


class Some(NamedTuple):
    """Items that a rule is about: a mask by index (None: all), and a question to a view where it depends on the call."""

    mask: Bools | None
    each: Callable[[Any], bool] | None


def member(some: Some, view: Seen, items: "Items", *, within: bool = True) -> Member:
    """Return what tells whether a rule is about an item; with `within` false, whether it is not."""
    mask: Any = some.mask.data.__getitem__ if some.mask is not None else None
    each = some.each
    if each is None:
        found: Member = mask or _every
        return found if within else (lambda item: not found(item))

    def asked(item: int) -> bool:
        view.item = items.item(item)
        return ((mask is None or mask(item)) and each(view)) is within

    return asked


def asked(some: Some, view: Seen, items: "Items") -> Member | None:
    """Return what tells whether a rule is about an item; None when it is about all."""
    return None if some.mask is None and some.each is None else member(some, view, items)


def key(codes: memoryview | None, some: Some) -> Key:
    """Return the code of each item that a rule is about, as far as items alone tell, 0 where all are alike; below zero for the others."""
    if some.mask is None:
        return _alike if codes is None else codes.__getitem__
    kept = np.where(some.mask, np.int8(0) if codes is None else np.asarray(codes), np.int8(-1))
    return kept.data.__getitem__


def keyed(found: Key, about: Member) -> Key:
    """Return codes of the items alone that are asked for."""
    return lambda item: c if (c := found(item)) >= 0 and about(item) else -1


def _every(item: int) -> bool:
    return True


def _alike(item: int) -> int:
    return 0
