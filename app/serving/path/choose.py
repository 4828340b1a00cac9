"""Choosing from scored and popular lists what may be shown now."""

from collections.abc import Iterable, Mapping

from app.serving.model.call import Call
from app.serving.model.outcome import ItemReason, Pick

# a member of an enumeration costs more to look up than a name of the module
_FOR_YOU, _AGAIN, _POPULAR = ItemReason.FOR_YOU, ItemReason.BOUGHT_BEFORE, ItemReason.POPULAR
_NONE: Mapping[int, float] = {}


def choose(
    call: Call,
    scored: Iterable[tuple[int, float]],
    reason: ItemReason,
    taken: frozenset[int] = frozenset(),
    below: Mapping[int, float] = _NONE,
) -> list[Pick]:
    """Return the first items of a list of (group number, score) that may be shown now, one a group, none of the groups `taken`.

    A score up to that of `below` comes from popularity more than from the person, and says so.
    """
    if call.ruled is not None:
        chosen: list[Pick] = call.ruled.choose(scored, reason, taken, below)
        return chosen
    catalogue, out = call.snapshot.catalogue, call.banned | taken if taken else call.banned
    place_of, first_of = catalogue.place_of, catalogue.passing(call.wanted).first_of
    room, hidden, bought = call.limit - len(taken), call.hidden(), call.bought
    again = _AGAIN if reason is _FOR_YOU else reason
    picks: list[Pick] = []
    for number, score in scored:
        group = place_of.get(number, -1)
        item = first_of[group]
        if item < 0 or group in out or number in hidden:
            continue
        picks.append((item, score, again if number in bought else _POPULAR if score <= below.get(number, -1.0) else reason))
        if len(picks) >= room:
            break
    return picks
