"""Rules against repeats: what somebody was shown is kept beside their state, and read and written with the other keys of a call."""

import time
from collections.abc import Sequence

import numpy as np

from app.core import ids
from app.data.facts.domain import Seen
from app.decisions.rules.members import member
from app.decisions.rules.plan import Plan
from app.decisions.rules.ranking import Member
from app.serving.model import shown
from app.serving.model.call import Call
from app.serving.model.outcome import ItemReason, Reason
from app.serving.path.lookup import Lookup

_DAY = 86_400


def key_of(call: Call, key: bytes) -> None:
    """Let a call read what somebody was shown, where a rule of its placement asks."""
    if call.program is not None and call.program.repeat_days and key:
        call.shown_key = ids.shown_key(call.tenant, key)


def hidden(call: Call, plan: Plan, view: Seen) -> list[tuple[frozenset[int], Member]]:
    """Return the groups that must not come again, and which items each rule is about."""
    if call.shown is None or call.closed is Reason.NO_CONSENT:
        return []
    found, was = [], shown.unpack(call.shown)
    for one, some in plan.unrepeated:
        rule = one.named.rule
        late = was.minutes >= (view.now - (rule.days or 0) * _DAY) / 60
        groups, counts = np.unique(was.groups[late], return_counts=True)
        if rule.impressions:
            groups = np.setdiff1d(groups[counts >= rule.impressions], _liked(call))
        if len(groups):
            found.append((frozenset(groups.tolist()), member(some, view, plan.items)))
    return found


def _liked(call: Call) -> Sequence[int]:
    """Return the groups in the person's history: those they clicked, looked at or bought."""
    return call.state.groups.tolist() if call.state is not None else ()


def showed(call: Call, lookup: Lookup) -> None:
    """Keep what a new answer shows, behind it; a repeat of a pinned one shows nothing new, a preview is nobody's."""
    outcome, program = call.outcome, call.program
    if call.head or outcome.pinned or not call.trusted or program is None or call.closed is Reason.NO_CONSENT:
        return
    catalogue = call.snapshot.catalogue
    groups = [int(catalogue.group_no[catalogue.group[index]]) for index, _, why in outcome.picks if why is not ItemReason.FIXED]
    fresh, before, ttl_s = shown.pack(groups, time.time()), call.shown or b"", program.repeat_days * _DAY
    if len(before) >= shown.MOST_BYTES:
        lookup.write("SET", call.shown_key, shown.newest(before) + fresh, "EX", ttl_s)
    else:
        lookup.write("APPEND", call.shown_key, fresh)
        lookup.write("EXPIRE", call.shown_key, ttl_s)
