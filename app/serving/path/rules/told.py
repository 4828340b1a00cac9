"""The end of a ruled answer: pinned items in their places, what rules left too few of, and what each did, for `explain`."""

from collections.abc import Sequence
from typing import Any

from app.decisions.rules.ranking import arranged
from app.serving.model.call import NOBODY, Call
from app.serving.model.outcome import Outcome, Pick
from app.serving.path.rules.acting import Acting


def settle(call: Call, outcome: Outcome) -> None:
    """Put an answer's picks into their order, and tell where rules left too few."""
    ruled: Acting = call.ruled
    before = outcome.picks
    if ruled.pins:
        outcome.picks = arranged(ruled.pins, before)
    if len(outcome.picks) < call.limit and (names := ruled.short()) and not call.widened:
        call.warnings = [*call.warnings, f"rules: {len(outcome.picks)} of {call.limit} items are left by {names}"]
    if call.explain:
        call.effects = effects(call, ruled, outcome.picks)


def effects(call: Call, ruled: Acting, picks: Sequence[Pick]) -> list[dict[str, Any]]:
    """Return what each rule of the placement did to an answer: the answer made again without it tells the difference."""
    assert call.program is not None
    found = []
    for one in call.program.judged(ruled.view()):
        name, rule = one.rule.named.name, one.rule.named.rule
        said: dict[str, Any] = {"rule": name, "action": rule.action, "acts": one.acts}
        if one.acts:
            said["effect"] = _difference(call, _without(call, ruled, name), picks)
            if one.rule.unknown:
                said["unknown_items"] = list(one.rule.unknown[:5])
        else:
            said["why_not"] = one.why
        found.append(said)
    return found


def _without(call: Call, ruled: Acting, name: str) -> list[Pick]:
    """Return the picks that the same lists give without one rule."""
    assert call.program is not None
    acting = Acting(call, call.program.plan(ruled.view(), {name}))
    group, picks = call.snapshot.catalogue.group, list[Pick]()
    for asked in ruled.asked:
        if acting.ranking.room <= 0:
            break
        shown = [*picks, *(pinned for _, pinned in acting.pins)]
        taken = frozenset(int(group[index]) for index, _, _ in shown) or NOBODY
        more = acting.again(asked, taken)
        acting.ranking.keep(more)
        picks += more
    return acting.ranking.arranged(picks)


def _difference(call: Call, before: Sequence[Pick], after: Sequence[Pick]) -> str:
    ids = call.snapshot.catalogue.item_ids
    was = {item: place for place, (item, _, _) in enumerate(before, 1)}
    now = {item: place for place, (item, _, _) in enumerate(after, 1)}
    parts = [f"{ids[item]} came in at {place}" for item, place in now.items() if item not in was]
    parts += [f"{ids[item]} went out from {place}" for item, place in was.items() if item not in now]
    parts += [f"{ids[item]} moved from {was[item]} to {place}" for item, place in now.items() if was.get(item, place) != place]
    return "; ".join(parts) or "nothing in this answer"
