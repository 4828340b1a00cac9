"""Finished bytes of pinned answers, kept for the repeats that e-mail platforms send."""

from collections import OrderedDict
from typing import NamedTuple

from app.serving.call import Call
from app.serving.domain import Outcome
from app.serving.snapshot.snapshot import Snapshot

_MOST = 2_000
_Form = tuple[str, str, str, str, str, bool, bool, bool | None]


class _Kept(NamedTuple):
    snapshot: Snapshot
    pinned: bytes
    seq: int
    closed: str
    outcome: Outcome
    body: bytes


class Finished:
    """A bounded memory of answers by pin and form.

    One is used again only while the same snapshot, the same pin in Redis and the same state of the person stand behind it,
    so stock, prices, templates and consent show as they would in an answer made anew.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[_Form, _Kept] = OrderedDict()

    def find(self, call: Call) -> bool:
        """Give a repeat its answer; False when it must be made."""
        if call.pinned is None or call.explain or call.warnings:
            return False
        kept = self._kept.get(_form(call))
        if kept is None or kept.snapshot is not call.snapshot or kept.pinned != call.pinned:
            return False
        if kept.seq != (call.state.seq if call.state is not None else 0) or kept.closed != call.closed:
            return False
        call.outcome, call.body = kept.outcome, kept.body
        return True

    def keep(self, call: Call) -> None:
        """Keep an answer that came from a pin."""
        if call.pinned is None or call.body is None or not call.outcome.pinned or call.explain or call.warnings:
            return
        if len(self._kept) >= _MOST:
            self._kept.popitem(last=False)
        seq = call.state.seq if call.state is not None else 0
        self._kept[_form(call)] = _Kept(call.snapshot, call.pinned, seq, call.closed, call.outcome, call.body)


def _form(call: Call) -> _Form:
    return (call.pin_key, call.placement, call.user, call.format, call.locale, call.escape, call.blank, call.open_pixel)
