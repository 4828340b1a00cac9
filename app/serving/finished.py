"""Finished bytes of pinned answers, kept for the repeats that e-mail platforms send."""

from collections import OrderedDict
from dataclasses import dataclass

from app.serving.domain import Outcome
from app.serving.person import Found
from app.serving.request import Request
from app.serving.snapshot.snapshot import Snapshot

_MOST = 2_000


@dataclass(slots=True)
class _Kept:
    snapshot: Snapshot
    pinned: bytes
    person: tuple[int, str]
    outcome: Outcome
    body: bytes


class Finished:
    """A bounded memory of answers by pin and form.

    One is used again only while the same snapshot, the same pin in Redis and the same state of the person stand behind it,
    so stock, prices, templates and consent show as they would in an answer made anew.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, ...], _Kept] = OrderedDict()

    def find(self, request: Request, snapshot: Snapshot, found: Found, pin: str) -> tuple[Outcome, bytes] | None:
        """Return the answer to a repeat, or None."""
        if not pin or not found.extra or found.extra[-1] is None or request.explain or request.warnings:
            return None
        kept = self._kept.get(_form(request, pin))
        if kept is None or kept.snapshot is not snapshot or kept.pinned != found.extra[-1] or kept.person != _person(found):
            return None
        return kept.outcome, kept.body

    def keep(self, request: Request, snapshot: Snapshot, found: Found, pin: str, outcome: Outcome, body: bytes) -> None:
        """Keep an answer that came from a pin."""
        if not outcome.pinned or not found.extra or found.extra[-1] is None or request.explain or request.warnings:
            return
        if len(self._kept) >= _MOST:
            self._kept.popitem(last=False)
        self._kept[_form(request, pin)] = _Kept(snapshot, found.extra[-1], _person(found), outcome, body)


def _form(request: Request, pin: str) -> tuple[str, ...]:
    return (pin, request.placement, request.user, request.format, request.locale, str(request.escape), str(request.blank))


def _person(found: Found) -> tuple[int, str]:
    return (found.state.seq if found.state is not None else 0, found.reason)
