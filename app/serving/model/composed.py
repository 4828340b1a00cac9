"""One part of an answer that has several: where it started, what its climb decided, and what is told of it."""

from collections.abc import Sequence
from typing import NamedTuple

from app.decisions.placements.domain import BlockPart, Filter
from app.serving.model.outcome import Outcome

COLUMN = {"categories": "category", "brands": "brand"}
"""The column of the catalogue that a part shows which shows no items."""


class Seed(NamedTuple):
    """What a part starts from: an item by its index (-1 for none), or a brand or category."""

    known: bool
    item: int = -1
    word: str = ""


UNKNOWN, NEEDLESS = Seed(False), Seed(True)


class Composed(NamedTuple):
    """A part as it is shown: `place` among the parts of its placement, `own` where it rests on the person, `wanted` what passed."""

    place: int
    part: BlockPart
    seed: Seed
    outcome: Outcome
    own: bool
    wanted: Filter


def merged(parts: Sequence[Composed]) -> Outcome:
    """Return the outcome of all parts: their items in order, the rung and reason of the first, the model of the first that used one."""
    first = parts[0].outcome
    scored = next((one.outcome for one in parts if one.outcome.model_no), first)
    picks = [pick for one in parts for pick in one.outcome.picks]
    made = Outcome(first.rung, first.reason, picks, scored.model_no, scored.recommender, scored.version)
    made.parts = tuple(parts)
    return made
