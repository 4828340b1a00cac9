"""What of the catalogue passes under rules: looked up by calls, made once for each plan."""

from collections.abc import Sequence

import numpy as np

from app.decisions.rules.plan import Plan
from app.decisions.rules.ranking import Candidate, placed
from app.serving.model.call import Call
from app.serving.model.outcome import ItemReason
from app.serving.snapshot.catalogue import Ints, Passing

_MOST_FIRSTS = 64
_SPARE = 60
_PINNED = ItemReason.PINNED
Pins = Sequence[tuple[int, Candidate]]


def first(call: Call, plan: Plan, relaxed: bool) -> Passing:
    """Return what passes the filter of a call and its rules."""
    key = (call.wanted.key, relaxed)
    found: Passing | None = plan.firsts.get(key)
    if found is None:
        found = plan.firsts[key] = _passing(call, plan, relaxed)
    return found


def _passing(call: Call, plan: Plan, relaxed: bool) -> Passing:
    catalogue = call.snapshot.catalogue
    if len(plan.firsts) >= _MOST_FIRSTS:
        plan.firsts.clear()
    passing = catalogue.passing(call.wanted)
    allowed = plan.kept if relaxed else plan.allowed
    if allowed is None and plan.added is None:
        return passing
    items = passing.items
    if plan.added is not None:
        items = items | (plan.added & catalogue.available)
    return catalogue.first_of(items if allowed is None else items & allowed)


def popular(call: Call, plan: Plan, relaxed: bool, listed: str) -> Ints:
    """Return the group numbers of a popular list that pass; that of everybody goes on with all other groups."""
    key = (listed, call.wanted.key, relaxed, "popular")
    found: Ints | None = plan.firsts.get(key)
    if found is None:
        snapshot, given = call.snapshot, first(call, plan, relaxed)
        groups = snapshot.catalogue.group_index(snapshot.config.popular.get(listed, np.zeros(0, np.int64)))
        groups = groups[given.groups[groups]]
        if listed == "":
            rest = np.flatnonzero(given.groups[:-1])[::-1]
            groups = np.concatenate([groups, rest[~np.isin(rest, groups)]])
        groups = groups[plan.thinned(given.first[groups], _SPARE)]
        found = plan.firsts[key] = snapshot.catalogue.group_no[groups]
    return found


def pins(call: Call, plan: Plan) -> Pins:
    """Return the pinned items that may be shown, by place: in stock, not excluded, one a group."""
    firsts, banned, key = plan.firsts, call.banned, ("pins", call.limit)
    if not banned and (kept := firsts.get(key)) is not None:
        return kept  # type: ignore[no-any-return]
    found: list[tuple[int, int, Candidate]] | None = firsts.get("pins")
    if found is None:
        found = firsts["pins"] = _pinnable(call, plan)
    given = placed([(place, candidate) for place, group, candidate in found if group not in banned], call.limit)
    if not banned:
        firsts[key] = given
    return given


def _pinnable(call: Call, plan: Plan) -> list[tuple[int, int, Candidate]]:
    catalogue, groups = call.snapshot.catalogue, set[int]()
    found: list[tuple[int, int, Candidate]] = []
    for place, indexes in plan.pins:
        for item in indexes:
            group = int(catalogue.group[item])
            if catalogue.available[item] and group not in groups and may(plan, item):
                groups.add(group)
                found.append((place, group, (item, 1.0, _PINNED)))
                break
    return found


def may(plan: Plan, item: int) -> bool:
    """Tell whether an item is not excluded."""
    return plan.kept is None or bool(plan.kept[item])
