"""What rules chose from kept lists, remembered for whoever asks the same of the same list: product pages do, for everybody."""

from collections.abc import Sequence
from typing import Any

from app.decisions.rules.plan import Plan
from app.serving.model.call import NOBODY, Call
from app.serving.model.candidates import Candidates
from app.serving.model.outcome import ItemReason, Pick
from app.serving.path.rules.viewing import seen

# two generations of so many bytes; a choice takes so many beside its list, and so many for each item
_MOST_BYTES = 8 * 2**20
_A_CHOICE, _AN_ITEM = 400, 110
Key = tuple[Any, ...]
"""All that a choice hangs on, the list's own bytes first."""


class Remembered:
    """A memory of choices: those that nobody asked for while as many others came are forgotten."""

    def __init__(self) -> None:
        self._young: dict[Key, Sequence[Pick]] = {}
        self._old: dict[Key, Sequence[Pick]] = {}
        self._bytes = 0

    def find(self, key: Key) -> Sequence[Pick] | None:
        """Return a choice that was made before."""
        found = self._young.get(key)
        if found is None and (found := self._old.get(key)) is not None:
            self.keep(key, found)
        return found

    def keep(self, key: Key, picks: Sequence[Pick]) -> None:
        """Remember a choice."""
        if self._bytes >= _MOST_BYTES:
            self._old, self._young, self._bytes = self._young, {}, 0
        self._young[key] = picks
        self._bytes += _A_CHOICE + len(key[0]) + _AN_ITEM * len(picks)


KEPT = Remembered()


def key(call: Call, plan: Plan, listed: Candidates, reason: ItemReason) -> Key | None:
    """Return all that a choice hangs on; None where that is more than can be named.

    A plan is that of one picture of the items, so what is in stock, and at which price, needs no name.
    """
    if plan.hangs is None:
        return None
    if call.anchored:
        whose: Any = (call.hidden(), call.bought if plan.bought else NOBODY)
    else:
        # what they bought and saw, as a list that is current names it too
        whose = call.state.digest if call.state is not None else 0
    asked = (listed.value, plan.number, call.limit, call.wanted.key, reason, call.banned, whose)
    if not plan.hangs:
        return asked
    view = seen(call)
    values = [read(view) for read in plan.hangs]
    # 1 and true are equal, and not the same
    return (*asked, *values, *map(type, values))
