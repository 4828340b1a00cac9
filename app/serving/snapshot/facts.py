"""What checks of documents may know of a shop, from its snapshot."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from app.core.db import Database
from app.data.catalogue.store import known_groups
from app.data.catalogue.values.categories import comparable
from app.decisions.placements import conditions
from app.decisions.placements.domain import Filter
from app.serving.snapshot.rules.conditions import counted
from app.serving.snapshot.snapshot import Snapshot

Samples = Callable[[], Sequence[dict[str, Any]]]


class SnapshotFacts:
    """Facts of one snapshot; `groups` are those of the ids asked about that are groups."""

    def __init__(self, snapshot: Snapshot, recommenders: Collection[str], groups: Collection[str], samples: Samples) -> None:
        self.samples = samples
        catalogue = snapshot.catalogue
        self._catalogue, self._groups = catalogue, groups
        self._popular = snapshot.config.popular.get("", np.zeros(0, np.int64))
        self.recommenders = {*recommenders, *snapshot.config.models}
        self.words: Mapping[str, Mapping[str, str]] = {
            "category": catalogue.categories,
            **{name: {comparable(word): word for word in catalogue.words[name]} for name in ("brand", "kind")},
        }

    def has_item(self, item_id: str) -> bool:
        """Tell whether there is an item, or a group, of this id."""
        return item_id in self._catalogue.index_of or item_id in self._groups

    def left_by(self, wanted: Filter) -> tuple[int, int, bool]:
        """Return how many groups pass a filter, how many are in stock at all, and whether its condition is counted too."""
        now = time.time()
        # a copy: what is not published leaves nothing behind in what answers read
        catalogue, whole = self._catalogue.at(now), True
        passing = catalogue.passing(wanted)
        if not conditions.is_empty(wanted.where):
            met = counted(catalogue, wanted.where, self._popular, now)
            passing, whole = (passing, False) if met is None else (catalogue.first_of(passing.items & met), True)
        left, all_there = (int(np.count_nonzero(one.groups)) for one in (passing, catalogue.passing(Filter())))
        return left, all_there, whole


async def facts_of(
    db: Database, snapshot: Snapshot | None, recommenders: Collection[str], ids: Iterable[str], samples: Samples
) -> SnapshotFacts | None:
    """Return the facts of a snapshot for a check of a document that names `ids`; None without a snapshot.

    `samples` gives items as they are shown, on which templates are tried.
    """
    if snapshot is None:
        return None
    groups = await known_groups(db, snapshot.tenant, [one for one in ids if isinstance(one, str)])
    return SnapshotFacts(snapshot, recommenders, groups, samples)
