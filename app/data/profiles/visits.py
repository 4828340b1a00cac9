"""Visits: what somebody did on pages or in an app without pausing for half an hour. Pure."""

from dataclasses import dataclass

import numpy as np

from app.data.kinds import Kind
from app.data.profiles.event_columns import Events, Ints, changes

PAUSE_S = 1_800
"""A visit has ended when so long nothing happened."""
KEPT = 10
_PAGE = int(Kind.PAGE)


@dataclass(frozen=True)
class Visits:
    """V visits of many people, by person and time: `index` the person's position, `start` and `length` in seconds, what was seen."""

    index: Ints
    start: Ints
    length: Ints
    pages: Ints
    items: Ints


def visits(events: Events) -> Visits:
    """Return all visits; only events that came from a page or an app make one."""
    seen = np.flatnonzero(events.on_site)
    if not len(seen):
        none = np.zeros(0, np.int64)
        return Visits(none, none, none, none, none)
    seen = seen[np.lexsort((events.second[seen], events.index[seen]))]
    index, second = events.index[seen], events.second[seen]
    new = changes(index)
    new[1:] |= np.diff(second) > PAUSE_S
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(seen)) - 1
    pages = np.add.reduceat((events.kind[seen] == _PAGE).astype(np.int64), first)
    item = events.item[seen]
    known = item > 0
    pairs = np.unique((np.cumsum(new) - 1)[known] << 32 | item[known])
    items = np.bincount(pairs >> 32, minlength=len(first))
    return Visits(index[first], second[first], second[last] - second[first], pages, items)
