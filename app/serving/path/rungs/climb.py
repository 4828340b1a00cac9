"""One call on its way down the rungs: each gives what it can, until there are as many items as are asked for."""

from collections.abc import Sequence
from typing import Protocol

from app.ml.contract import History
from app.serving.model.call import NOBODY, Call, Step
from app.serving.model.outcome import Outcome, Pick, Reason, Rung
from app.serving.path.rules import acting as rules
from app.serving.path.rules import told
from app.serving.snapshot.snapshot import LiveModel


class Scores(Protocol):
    """What scores for climbs."""

    def begin(self, climb: "Climb", model: LiveModel, history: History) -> bool:
        """Let a climb wait for its scores; False where there are too many before it."""
        ...


class Climb:
    """A call, its outcome so far, and the rungs that were not asked yet; the first that gives items names the answer.

    A rung gives a list of picks, or None when it must wait: then it calls `gave` when it knows. `scoring` is what scores with a model;
    without it only rungs that never wait may be asked.
    """

    __slots__ = ("_place", "_rungs", "_then", "call", "outcome", "scoring")

    def __init__(
        self, call: Call, outcome: Outcome, rungs: Sequence[Rung], scoring: Scores | None = None, then: Step | None = None
    ) -> None:
        self.call, self.outcome, self.scoring = call, outcome, scoring
        if call.program is not None:
            call.ruled = rules.begin(call, outcome.picks)
        self._rungs, self._place, self._then = rungs, 0, then

    def go(self) -> None:
        """Ask rung after rung; then continue the call."""
        picks, call = self.outcome.picks, self.call
        limit, rungs = call.limit, self._rungs
        if call.ruled is not None:
            limit -= len(call.ruled.pins)
        while len(picks) < limit and self._place < len(rungs):
            rung = rungs[self._place]
            self._place += 1
            more = rung.give(self)
            if more is None:
                return
            if more:
                picks = self._taken(rung, more)
        if call.ruled is not None:
            told.settle(call, self.outcome)
        if call.widened:
            self.outcome.reason = Reason.TOO_FEW_ITEMS
        if self._then is not None:
            self._then(call)

    def taken(self) -> frozenset[int]:
        """Return the groups whose items are in the outcome already."""
        group = self.call.snapshot.catalogue.group
        picks = self.outcome.picks
        if self.call.ruled is not None and self.call.ruled.pins:
            picks = [*picks, *(pinned for _, pinned in self.call.ruled.pins)]
        return frozenset([int(group[index]) for index, _, _ in picks]) if picks else NOBODY

    def gave(self, picks: list[Pick]) -> None:
        """Take what a rung gives that had to wait, and go on."""
        if picks:
            self._taken(self._rungs[self._place - 1], picks)
        self.go()

    def _taken(self, rung: Rung, more: list[Pick]) -> list[Pick]:
        outcome = self.outcome
        if self.call.ruled is not None:
            self.call.ruled.keep(more)
        if outcome.picks:
            outcome.picks = outcome.picks + more
        else:
            outcome.rung, outcome.picks = rung, more
        return outcome.picks
