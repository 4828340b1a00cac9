"""The lowest rungs: popular and fixed, and wider filters where nothing passes."""

from collections.abc import Sequence

from app.decisions.placements.widening import Step, beyond, within
from app.serving.model.call import NOBODY, Call
from app.serving.model.outcome import ItemReason, Pick
from app.serving.path.choose import choose
from app.serving.path.rungs.climb import Climb


def popular(climb: Climb) -> list[Pick]:
    """Give what is popular with all."""
    return filled(climb, "", "popular", ItemReason.POPULAR)


def wider(climb: Climb) -> list[Pick]:
    """Give items of the categories above, where nothing passes the filter."""
    call = climb.call
    return [] if climb.outcome.picks or call.blank else _wider(call, within(call.wanted, call.rules.filter))


def fixed(climb: Climb) -> list[Pick]:
    """Give the placement's fixed items that can be shown, one a group, where there is nothing else."""
    if climb.outcome.picks:
        return []
    call = climb.call
    catalogue, taken = call.snapshot.catalogue, set(call.banned)
    picks: list[Pick] = []
    for item in call.rules.fixed.items:
        index = catalogue.index_of.get(item, -1)
        if (
            index < 0
            or not catalogue.available[index]
            or (call.ruled is not None and not call.ruled.may(index))
            or (group := int(catalogue.group[index])) in taken
        ):
            continue
        taken.add(group)
        picks.append((index, 0.0, ItemReason.FIXED))
    return picks[: call.limit]


def anything(climb: Climb) -> list[Pick]:
    """Give any item, where there is neither another one nor finished content, which was chosen for this very case."""
    call = climb.call
    if climb.outcome.picks or call.blank or call.rules.fixed.written(call.format.name):
        return []
    picks = _wider(call, beyond(call.rules.filter))
    if not picks and call.ruled is not None and call.ruled.relax():
        picks = _popular(call, "", ItemReason.POPULAR, NOBODY) or _wider(call, beyond(call.rules.filter))
        if picks:
            call.widened = True
            call.warnings = [*call.warnings, f"rules: they leave nothing to show; not applied: {call.ruled.short()}"]
    if not picks:
        call.warnings = [*call.warnings, "items: there is none that may be shown here"]
    return picks


def filled(climb: Climb, listed: str, rung: str, why: ItemReason) -> list[Pick]:
    """Give what a popular list holds that may be shown and is not shown yet."""
    call = climb.call
    picks = _popular(call, listed, why, climb.taken())
    if call.explain:
        call.told(rung, f"{len(picks)} items from {listed or 'all'}")
    return picks


def _wider(call: Call, steps: Sequence[Step]) -> list[Pick]:
    for step in steps:
        before, call.wanted = call.wanted, step.filter
        if call.ruled is not None and before.where and not step.filter.where:
            call.ruled = call.ruled.unfiltered()
        if picks := _popular(call, "", ItemReason.POPULAR, NOBODY):
            call.widen(step.filter, step.told)
            call.told("popular", f"{len(picks)} items of a wider filter")
            return picks
        call.wanted = before
    return []


def _popular(call: Call, listed: str, why: ItemReason, taken: frozenset[int]) -> list[Pick]:
    if call.ruled is not None:
        ruled: list[Pick] = call.ruled.popular(listed, why, taken)
        return ruled
    found = call.snapshot.popular(listed, call.wanted)
    found = found[: call.limit + len(taken) + len(call.banned) + len(call.hidden())]
    numbers = call.snapshot.catalogue.group_no[found].tolist()
    return choose(call, [(number, 1.0 / place) for place, number in enumerate(numbers, 1)], why, taken)
