"""Categories or brands as answers: those the person likes most, or popular ones, each by the best item of it that may be shown."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from app.serving.model.composed import COLUMN
from app.serving.model.outcome import ItemReason, Outcome, Pick, Reason
from app.serving.path.choose import choose
from app.serving.path.parts import seeds
from app.serving.path.parts.piece import Piece
from app.serving.path.rules import acting
from app.serving.path.rungs import order
from app.serving.snapshot.catalogue import Ints

# so many items of a word are looked at, and so many popular words
_MOST_OF_ONE, _MOST_WORDS = 50, 100


def chosen(piece: Piece) -> Outcome:
    """Return a pick for each category or brand."""
    call, catalogue = piece.call, piece.call.snapshot.catalogue
    outcome = call.outcome = Outcome(order.POPULAR, call.closed or Reason.NONE, [])
    if call.program is not None:
        call.ruled = acting.begin(call, ())
    groups = _popular(piece)
    codes = catalogue.code[COLUMN[piece.part.shows]][catalogue.passing(call.wanted).first[groups]]
    for code in _codes(piece, codes):
        if len(outcome.picks) >= call.limit:
            break
        numbers = catalogue.group_no[groups[codes == code][:_MOST_OF_ONE]].tolist()
        taken = frozenset(int(catalogue.group[index]) for index, _, _ in outcome.picks)
        scored = [(number, 1.0 / place) for place, number in enumerate(numbers, 1)]
        best: list[Pick] = choose(call, scored, ItemReason.POPULAR, taken)[:1]
        if best and call.ruled is not None:
            call.ruled.keep(best)
        outcome.picks += best
    call.told(piece.part.shows, f"{len(outcome.picks)} of them")
    return outcome


def _popular(piece: Piece) -> Ints:
    """Return all groups that pass, the popular ones first."""
    snapshot, wanted = piece.call.snapshot, piece.call.wanted
    first = snapshot.popular("", wanted)
    rest = np.flatnonzero(snapshot.catalogue.passing(wanted).groups[:-1])
    return np.concatenate([first, rest[~np.isin(rest, first)]])


def _codes(piece: Piece, popular: NDArray[np.int32]) -> Iterator[int]:
    """Yield the codes of words: those the person likes, or, where nobody knows, those of what is popular."""
    name = COLUMN[piece.part.shows]
    words = piece.call.snapshot.catalogue.words[name]
    if piece.seed.known:
        number = {word: code for code, word in enumerate(words)}
        yield from (number[word] for word in seeds.liked(piece.call, name))
        return
    _, places = np.unique(popular, return_index=True)
    yield from (int(popular[place]) for place in sorted(places.tolist())[:_MOST_WORDS] if words[int(popular[place])])
