"""Choosing from scored and popular lists what may be shown now."""

from collections.abc import Iterable

import numpy as np

from app.serving.call import Call
from app.serving.domain import Pick


def choose(call: Call, scored: Iterable[tuple[int, float]], reason: str, taken: frozenset[int] = frozenset()) -> list[Pick]:
    """Return the first items of a list of (group number, score) that may be shown now, one a group, none of the groups `taken`."""
    catalogue, out = call.snapshot.catalogue, call.banned | taken if taken else call.banned
    place_of, first_of = catalogue.place_of, catalogue.passing(call.wanted).first_of
    room, without_bought, bought = call.limit - len(taken), call.wanted.exclude_bought, call.bought
    again = "bought_before" if reason == "for_you" else reason
    picks: list[Pick] = []
    for number, score in scored:
        group = place_of.get(number, -1)
        item = first_of[group]
        if item < 0 or group in out:
            continue
        if number in bought:
            if without_bought:
                continue
            picks.append((item, score, again))
        else:
            picks.append((item, score, reason))
        if len(picks) >= room:
            break
    return picks


def fill(call: Call, picks: list[Pick]) -> tuple[list[Pick], str]:
    """Fill up from segment, popular and fixed; return the picks and the name of the rung that gave the first new one."""
    catalogue = call.snapshot.catalogue
    rung = ""
    for segment, name, why in segments(call):
        if len(picks) >= call.limit:
            break
        taken = frozenset(int(catalogue.group[index]) for index, _, _ in picks)
        listed = call.snapshot.popular(segment, call.wanted)
        listed = listed[: call.limit + len(taken) + len(call.banned) + len(call.bought)]
        numbers = catalogue.group_no[listed].tolist()
        more = choose(call, [(number, 1.0 / place) for place, number in enumerate(numbers, 1)], why, taken)
        call.told(name, f"{len(more)} items from {segment or 'all'}")
        rung = rung or (name if more else "")
        picks = picks + more
    if not picks:
        picks = fixed(call)
        rung = "fixed"
    return picks, rung


def segments(call: Call) -> list[tuple[str, str, str]]:
    """Return the popular lists to try: the category used most, else the country, then all."""
    catalogue = call.snapshot.catalogue
    found: list[tuple[str, str, str]] = []
    groups, weight, country = call.anchor, np.ones(len(call.anchor)), ""
    if not len(groups) and call.state is not None:
        whole = call.state.whole()
        if whole is not None:
            groups, weight = whole.groups.astype(np.int64), whole.kinds.astype(np.float64)
            country = whole.country
    if len(groups) and call.rules.recommender:
        index = catalogue.group_index(groups)
        if (index >= 0).any():
            codes = np.array([catalogue.code["category"][catalogue.items_of(group)[0]] for group in index[index >= 0]])
            word = catalogue.words["category"][int(np.bincount(codes, weight[index >= 0]).argmax())]
            if f"category:{word}" in call.snapshot.config.popular:
                found.append((f"category:{word}", "segment", "popular_in_category"))
    if not found and country and call.rules.recommender and f"country:{country}" in call.snapshot.config.popular:
        found.append((f"country:{country}", "segment", "popular_in_country"))
    return [*found, ("", "popular", "popular")]


def fixed(call: Call) -> list[Pick]:
    """Return the placement's fixed items that can be shown."""
    catalogue = call.snapshot.catalogue
    indexes = [catalogue.index_of[item] for item in call.rules.fixed.items if item in catalogue.index_of]
    shown = [index for index in indexes if catalogue.available[index] and int(catalogue.group[index]) not in call.banned]
    return [(index, 0.0, "fixed") for index in shown[: call.limit]]
