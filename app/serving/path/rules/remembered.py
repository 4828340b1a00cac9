"""What rules chose from kept lists, remembered for whoever asks the same of the same list: product pages do, for everybody."""

from collections.abc import Sequence
from typing import Any

from app.decisions.rules.plan import Plan
from app.serving.model.call import NOBODY, Call
from app.serving.model.candidates import Candidates
from app.serving.model.outcome import ItemReason, Pick
from app.serving.path.rules.viewing import seen

# two generations of so many answers, about 1.4 kB each
_MOST = 6_000
Key = tuple[Any, ...]


class Remembered:
    """A memory of choices: those that nobody asked for while as many others came are forgotten."""

    def __init__(self) -> None:
        self._young: dict[Key, Sequence[Pick]] = {}
        self._old: dict[Key, Sequence[Pick]] = {}

    def find(self, key: Key) -> Sequence[Pick] | None:
        """Return a choice that was made before."""
        found = self._young.get(key)
        if found is None and (found := self._old.get(key)) is not None:
            self.keep(key, found)
        return found

    def keep(self, key: Key, picks: Sequence[Pick]) -> None:
        """Remember a choice."""
        if len(self._young) >= _MOST:
            self._old, self._young = self._young, {}
        self._young[key] = picks


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
    asked = (plan.number, listed.value, call.limit, call.wanted.key, reason, call.banned, whose)
    if not plan.hangs:
        return asked
    view = seen(call)
    values = [read(view) for read in plan.hangs]
    # 1 and true are equal, and not the same
    return (*asked, *values, *map(type, values))
