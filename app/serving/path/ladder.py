"""The ladder: which rungs a call may climb, and what an answer begins with."""

from collections.abc import Sequence

from app.core.settings import Settings
from app.serving.model.call import Call, Step
from app.serving.model.outcome import Outcome, Reason, Rung
from app.serving.path.lookup import Lookup
from app.serving.path.parts.composing import Composing
from app.serving.path.rungs import order
from app.serving.path.rungs.climb import Climb
from app.serving.path.rungs.live import Scoring
from app.serving.path.rungs.scoring import Scorer

# over a limit nothing is asked of anybody
_SHUT = (Reason.RATE_LIMITED, Reason.OVERLOAD)
_OPEN = Reason.NONE


class Ladder:
    """Walks the rungs for one call at a time; holds what the rungs need."""

    def __init__(self, scorer: Scorer, lookup: Lookup, settings: Settings) -> None:
        self._scoring, self._lookup = Scoring(scorer, lookup, settings), lookup

    def climb(self, call: Call, then: Step, rungs: Sequence[Rung] | None = None) -> None:
        """Set the outcome of the first rung that gives items, filled up from the rungs below, and continue the call.

        A block that has parts climbs once for each of them, with `rungs` of its own.
        """
        if rungs is None:
            if call.rules.parts:
                Composing(call, then, self.climb, self._lookup).go()
                return
            rungs = order.RUNGS
        closed = call.closed
        outcome = call.outcome = Outcome(order.FIXED, _OPEN, [])
        if (closed and not call.anchored) or closed in _SHUT or not call.rules.recommender:
            call.told("live", closed or "the placement names no recommender")
            outcome.reason = closed
        elif call.nothing:
            call.told("live", "no item is of this category")
            outcome.reason = Reason.TOO_FEW_ITEMS
        else:
            Climb(call, outcome, rungs, self._scoring, then).go()
            return
        Climb(call, outcome, order.unscored(rungs), None, then).go()


def fill(call: Call, outcome: Outcome) -> None:
    """Fill an outcome up from the rungs below the model."""
    Climb(call, outcome, order.unscored()).go()


def lowest(call: Call, reason: Reason) -> Outcome:
    """Return what the rungs below the model give."""
    outcome = Outcome(order.FIXED, reason, [])
    fill(call, outcome)
    outcome.reason = reason
    return outcome
