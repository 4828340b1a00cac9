"""A pinned block with several parts: each shows what it showed, under the heading that it had, as far as that may still be shown."""

from app.serving.model import composed_codec
from app.serving.model.call import Call
from app.serving.model.composed import Composed, merged
from app.serving.model.outcome import Outcome
from app.serving.path.parts import tiles
from app.serving.path.parts.composing import composed, groups_of
from app.serving.path.parts.piece import Piece, started
from app.serving.path.rungs import order
from app.serving.path.rungs.climb import Climb


def earlier(call: Call) -> Outcome | None:
    """Return the pinned outcome of a call; None where there is none, nothing of it is left, or it rests on who does not consent."""
    catalogue = call.snapshot.catalogue
    found = composed_codec.unpack(call.pinned, catalogue, order.numbered)
    if found is None or (call.state is None and any(one.own for one in found[1])):
        return None
    pieces: list[tuple[Piece, Outcome]] = []
    for one in found[1]:
        if one.place < len(call.rules.parts):
            piece = started(call, one.place, one.seed)
            passing, banned = catalogue.passing(piece.call.wanted).items, piece.call.banned
            one.outcome.picks = [pick for pick in one.outcome.picks if passing[pick[0]] and int(catalogue.group[pick[0]]) not in banned]
            pieces.append((piece, one.outcome))
    parts = [part for piece, outcome in pieces if (part := _whole(piece, outcome, call, [other for _, other in pieces])) is not None]
    if not parts:
        return None
    outcome = merged(parts)
    outcome.recommendation_id, outcome.pinned = found[0], True
    outcome.pinned_items = sum(one.outcome.pinned_items for one in parts)
    return outcome


def _whole(piece: Piece, outcome: Outcome, call: Call, all_parts: list[Outcome]) -> Composed | None:
    """Return a part filled up where items of it are gone; None for one of which nothing is left."""
    made = piece.call
    if len(outcome.picks) < outcome.pinned_items:
        others = [index for other in all_parts if other is not outcome for index in groups_of(call, other.picks)]
        made.limit, made.banned = outcome.pinned_items, made.banned.union(others)
        if piece.part.shows == "items":
            Climb(made, outcome, order.unscored(piece.rungs())).go()
        elif not outcome.picks:
            outcome.picks = tiles.chosen(piece).picks
    return composed(piece, outcome) if outcome.picks else None
