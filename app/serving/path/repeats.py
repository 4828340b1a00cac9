"""Finished bytes of pinned answers, kept for the repeats that e-mail platforms send."""

import time
from collections import OrderedDict
from operator import attrgetter
from typing import Any, NamedTuple

from app.serving.model.call import Call
from app.serving.model.outcome import Outcome
from app.serving.model.parameters import PARAMETERS
from app.serving.snapshot.snapshot import Snapshot

_MOST_BYTES = 32 * 2**20
_AN_ANSWER = 2_000  # what one takes beside its body


# What bytes hang on beside the pin; links of public callers name nobody, and those of who wants no tracking lead straight on.
_form = attrgetter("pin_key", "placement", "user", "public", "untracked", *[one.shapes for one in PARAMETERS.values() if one.shapes])


class _Kept(NamedTuple):
    snapshot: Snapshot
    pinned: bytes
    seq: int
    closed: str
    outcome: Outcome
    body: bytes
    until: float


class Finished:
    """A memory of answers by pin and form, bounded by the bytes that it holds.

    One is used again only while the same snapshot, the same pin in Redis and the same state of the person stand behind it,
    so stock, prices, templates and consent show as they would in an answer made anew; and no price of its locale has changed
    by the clock since. What shows something of the person is always made anew, as facts move with time.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Any, ...], _Kept] = OrderedDict()
        self._bytes = 0

    def find(self, call: Call) -> bool:
        """Give a repeat its answer; False when it must be made."""
        if call.pinned is None or call.explain or call.warnings or call.personal:
            return False
        kept = self._kept.get(_form(call))
        if kept is None or kept.snapshot is not call.snapshot or kept.pinned != call.pinned:
            return False
        if time.time() >= kept.until:
            return False
        if kept.seq != (call.state.seq if call.state is not None else 0) or kept.closed != call.closed:
            return False
        call.outcome, call.body = kept.outcome, kept.body
        return True

    def keep(self, call: Call) -> None:
        """Keep an answer that came from a pin."""
        if call.pinned is None or call.body is None or not call.outcome.pinned or call.explain or call.warnings or call.personal:
            return
        seq, form = call.state.seq if call.state is not None else 0, _form(call)
        if (before := self._kept.pop(form, None)) is not None:
            self._bytes -= _AN_ANSWER + len(before.body)
        self._bytes += _AN_ANSWER + len(call.body)
        while self._bytes > _MOST_BYTES and self._kept:
            self._bytes -= _AN_ANSWER + len(self._kept.popitem(last=False)[1].body)
        shelf = call.snapshot.catalogue.shelves.get(call.locale)
        until = shelf.until if shelf is not None else float("inf")
        self._kept[form] = _Kept(call.snapshot, call.pinned, seq, call.closed, call.outcome, call.body, until)
