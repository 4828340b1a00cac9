"""Fills a block that has several parts: each climbs the ladder for itself, without the items of those before it."""

from collections.abc import Callable, Sequence
from functools import partial

from app.serving.model import candidates
from app.serving.model.call import Call, Step, guarded
from app.serving.model.composed import Composed, merged
from app.serving.model.outcome import Outcome, Pick, Reason, Rung
from app.serving.path.lookup import Lookup, Values
from app.serving.path.parts import tiles
from app.serving.path.parts.piece import Piece, begun, instead
from app.serving.path.rungs import order

Up = Callable[[Call, Step, Sequence[Rung]], None]


class Composing:
    """One block on its way; `climb` takes a call up some rungs and then continues it."""

    def __init__(self, call: Call, then: Step, climb: Up, lookup: Lookup) -> None:
        self._call, self._then, self._climb, self._lookup = call, then, climb, lookup
        self._left: list[Piece] = []
        self._parts: list[Composed] = []
        self._taken: set[int] = set()

    def go(self) -> None:
        """Find what each part starts from, read the lists of all in one go, and fill one after the other."""
        call = self._call
        self._left = [piece for place in range(len(call.rules.parts)) if (piece := begun(call, place)) is not None]
        listed = [piece.call for piece in self._left if piece.call.list_key]
        if listed and call.trusted:
            self._lookup.get(call.tenant, [one.list_key for one in listed], partial(self._read, call, listed))
        else:
            self._next()

    @guarded
    def _read(self, call: Call, listed: list[Call], values: Values | None) -> None:
        for one, value in zip(listed, values or (), strict=values is not None):
            one.cached = candidates.unpack(value)
        self._next()

    def _next(self) -> None:
        room = self._call.limit - sum(len(one.outcome.picks) for one in self._parts)
        if not self._left or room <= 0:
            self._finish()
            return
        piece = self._left.pop(0)
        made = piece.call
        made.limit, made.banned = min(piece.part.limit, room), made.banned | self._taken
        if piece.part.shows == "items":
            self._climb(made, partial(self._filled, piece), piece.rungs())
        else:
            tiles.chosen(piece)
            self._filled(piece, made)

    def _filled(self, piece: Piece, made: Call) -> None:
        """Take what a part gave; one that gave nothing may have something to stand for it."""
        self._tell(piece, made)
        outcome = made.outcome
        if not piece.seed.known:
            outcome.reason = outcome.reason or Reason.LOW_CONFIDENCE
        if outcome.picks:
            self._taken.update(groups_of(self._call, outcome.picks))
            self._parts.append(composed(piece, outcome))
        elif piece.seed.known and (other := instead(self._call, piece.place)) is not None:
            self._left.insert(0, other)
        self._next()

    def _tell(self, piece: Piece, made: Call) -> None:
        call, name = self._call, piece.part.name
        call.warnings = [*call.warnings, *(f"{name}: {one}" for one in made.warnings if one not in call.warnings)]
        call.ruled, made.ruled = call.ruled or made.ruled, None
        if call.explain:
            call.trail = [*(call.trail or ()), *({**one, "part": name} for one in made.trail or ())]
            call.effects = [*call.effects, *({**one, "part": name} for one in made.effects)]

    def _finish(self) -> None:
        call = self._call
        if self._parts:
            call.outcome = merged(self._parts)
        elif call.blank:
            call.outcome = Outcome(order.FIXED, Reason.TOO_FEW_ITEMS, [])
        else:  # a block is never empty: what the placement itself gives stands for all its parts
            self._climb(call, self._then, order.RUNGS)
            return
        self._then(call)


def groups_of(call: Call, picks: Sequence[Pick]) -> list[int]:
    """Return the groups of picks."""
    group = call.snapshot.catalogue.group
    return [int(group[index]) for index, _, _ in picks]


def composed(piece: Piece, outcome: Outcome) -> Composed:
    """Return a part as it is shown."""
    made = piece.call
    own = (piece.seed.known and piece.part.personal) or (outcome.rung.own and not made.anchored)
    return Composed(piece.place, piece.part, piece.seed, outcome, own, made.wanted)
