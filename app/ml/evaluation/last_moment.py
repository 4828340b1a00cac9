"""Leave the last moment out: what people did last, against what they had done until then."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.ml import contract
from app.ml.contract import History, Ints
from app.ml.interactions import Interactions

CLICK = contract.KINDS.index("click")
_VISIT_DAYS = np.float32(1 / 24)
"""What was done with an item within an hour before its order led to it, and is no history of it."""


@dataclass(frozen=True)
class LastMoments:
    """`before` is what is known without the last moments; `histories` and `targets` (distinct rows) are those of `people`.

    Ages in `before` count from the cut of the data, those in `histories` from the person's own last moment.
    """

    before: Interactions
    people: Ints
    histories: list[History]
    targets: list[Ints]


def leave_out(data: Interactions, most_people: int) -> LastMoments:
    """Hide the last order of people (the last moment where nobody orders anything), at most of so many: a fixed sample of the later half.

    Only people who did something before are taken.
    """
    wanted = data.kind == contract.PURCHASE
    if not wanted.any():
        wanted = data.kind >= CLICK
    last = np.full(data.people, np.inf, np.float32)
    np.minimum.at(last, data.person[wanted], data.age[wanted])
    hidden, target = _hidden(data, wanted, last)
    earlier = np.bincount(data.person[~hidden & (data.kind >= CLICK)], minlength=data.people) > 0
    people = np.flatnonzero(earlier & np.isfinite(last))
    # numbers of people may follow what they are like, and many may have ended at once
    people = people[np.random.default_rng(0).permutation(len(people))]
    later = people[np.argsort(last[people], kind="stable")[: max(most_people, len(people) // 2)]]
    people = np.sort(people[np.isin(people, later)][:most_people])
    chosen = np.zeros(data.people, bool)
    chosen[people] = True
    before = data.only(~(hidden & chosen[data.person]))
    shown = target & chosen[data.person]
    pairs = np.unique(data.person[shown].astype(np.int64) * max(1, data.rows) + data.row[shown])
    _, start = np.unique(pairs // max(1, data.rows), return_index=True)
    targets = np.split(pairs % max(1, data.rows), start[1:]) if len(people) else []
    own = [before.histories.of(person) for person in people.tolist()]
    histories = [one._replace(age=one.age - last[person]) for one, person in zip(own, people.tolist(), strict=True)]
    return LastMoments(before, people, histories, targets)


def _hidden(data: Interactions, wanted: NDArray[np.bool_], last: NDArray[np.float32]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell of each event whether it is hidden with its person's last moment, and whether its row is a target."""
    own = last[data.person]
    target = wanted & (data.age == own)
    row = data.person.astype(np.int64) * max(1, data.rows) + data.row
    led = (data.age - own <= _VISIT_DAYS) & (data.kind < contract.PURCHASE) & np.isin(row, row[target])
    # where nothing was ordered, having seen a thing before is what its return is learned from
    return (data.age <= own) | (led & bool((data.kind == contract.PURCHASE).any())), target
