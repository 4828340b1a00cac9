"""The rung of what is popular with people like this one."""

import numpy as np

from app.decisions.rules.part import KNOWN
from app.serving.model.call import Call
from app.serving.model.outcome import ItemReason, Pick
from app.serving.path.rungs.below import filled
from app.serving.path.rungs.climb import Climb


def segment(climb: Climb) -> list[Pick]:
    """Give what is popular in a segment the placement names, else in the category used most, else in the country."""
    found = _segment(climb.call)
    return filled(climb, found[0], "segment", found[1]) if found is not None else []


def named_segment(call: Call) -> str:
    """Return the first segment that the placement names, the person is in and a popular list is there of; empty for none."""
    if call.rules.segments and call.facts is not None and call.state is not None:
        numbers, own = call.snapshot.config.of(KNOWN).segments, call.facts.segments
        for name in call.rules.segments:
            if numbers.get(name) in own and f"segment:{name}" in call.snapshot.config.popular:
                return name
    return ""


def _segment(call: Call) -> tuple[str, ItemReason] | None:
    """Return the popular list of a segment named, else of the category used most, else of the country, where there is one."""
    catalogue, lists = call.snapshot.catalogue, call.snapshot.config.popular
    if call.rules.segments and (name := named_segment(call)):
        return f"segment:{name}", ItemReason.POPULAR_IN_SEGMENT
    groups, weight, country = call.anchor, np.ones(len(call.anchor)), ""
    if not call.rules.recommender:
        return None
    if not len(groups) and call.state is not None and (whole := call.state.whole()) is not None:
        groups, weight = whole.groups.astype(np.int64), whole.kinds.astype(np.float64)
        country = whole.country
    if len(groups):
        index = catalogue.group_index(groups)
        if (index >= 0).any():
            codes = np.array([catalogue.code["category"][catalogue.items_of(group)[0]] for group in index[index >= 0]])
            word = catalogue.words["category"][int(np.bincount(codes, weight[index >= 0]).argmax())]
            if f"category:{word}" in lists:
                return f"category:{word}", ItemReason.POPULAR_IN_CATEGORY
    return (f"country:{country}", ItemReason.POPULAR_IN_COUNTRY) if country and f"country:{country}" in lists else None
