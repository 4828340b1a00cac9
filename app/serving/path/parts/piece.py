"""A part on its way into an answer: a call of its own, which starts from the seed of the part."""

import copy
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from app.decisions.placements.domain import BlockPart
from app.serving.model.call import NONE, Call
from app.serving.model.composed import UNKNOWN, Seed
from app.serving.model.outcome import Rung
from app.serving.path.keys import keys_of
from app.serving.path.parts import seeds
from app.serving.path.rungs import order
from app.serving.path.widen import narrow


class Piece(NamedTuple):
    """A part, its place among the parts of the placement, what it starts from, and the call that climbs for it."""

    place: int
    part: BlockPart
    seed: Seed
    call: Call

    def rungs(self) -> Sequence[Rung]:
        """Return the rungs that may answer: none whose items would belie the heading."""
        part = self.part
        if part.order == "newest":
            return (order.NEWEST,)
        if not self.seed.known:
            return (order.POPULAR,)
        if part.seed == "segment":
            return (order.SEGMENT,)
        beside = {order.POPULAR} if self.seed.item >= 0 else frozenset()
        return [rung for rung in order.RUNGS if rung not in order.BEYOND and rung not in beside]


def begun(call: Call, place: int) -> Piece | None:
    """Return a part with what it starts from; None where that is unknown and the part leaves itself out."""
    part = call.rules.parts[place]
    seed = seeds.found(_own(call, part), part)
    return started(call, place, seed) if seed.known else instead(call, place)


def instead(call: Call, place: int) -> Piece | None:
    """Return what stands for a part whose seed is unknown, or gives nothing; None where it leaves itself out."""
    return started(call, place, UNKNOWN) if call.rules.parts[place].when_unknown == "popular" else None


def started(call: Call, place: int, seed: Seed) -> Piece:
    """Return a part that starts from a seed, with the key of the list that answers it."""
    part = call.rules.parts[place]
    made = _own(call, part)
    catalogue = call.snapshot.catalogue
    if seed.item >= 0:
        group = int(catalogue.group[seed.item])
        made.banned = made.banned | {group}
        made.anchored = True
        if part.seed != "page":
            made.anchor = np.array([catalogue.group_no[group]], np.int64)
    elif seed.word:
        made.wanted = seeds.narrowed(made.wanted, part.seed, seed.word)
    piece = Piece(place, part, seed, made)
    if part.shows == "items" and any(rung.scored for rung in piece.rungs()):
        _, made.list_key = keys_of(made)
    return piece


def _own(call: Call, part: BlockPart) -> Call:
    """Return a call of its own for a part, by what its document says."""
    made, rules = copy.copy(call), call.rules
    said = {"parts": (), "count": part.limit, "filter": part.filter or rules.filter}
    if part.recommender is not None:
        said["recommender"] = part.recommender
    made.rules = rules.model_copy(update=said)
    made.wanted, made.limit, made.list_key, made.pin_key = made.rules.filter, part.limit, "", ""
    made.cached = made.pinned = made.trail = None
    made.warnings, made.strict, made.anchor = (), False, call.anchor if len(call.anchor) else NONE
    made.fail = lambda _, error: call.fail(call, error)
    if call.category:
        narrow(made, made.rules.filter)
    return made
