"""The ladder: live model, last good list, segment, popular, fixed. The first rung that can answer before the deadline does."""

from functools import partial

import numpy as np

from app.core.settings import Settings
from app.ml.contract import History
from app.serving import candidates as lists
from app.serving.call import NONE, Call, Step, guarded
from app.serving.choice import choose, fill
from app.serving.domain import Outcome
from app.serving.lookup import Lookup
from app.serving.person import history_of, history_of_anchor, known_rows
from app.serving.scoring import Job, Overloaded, Scorer
from app.serving.snapshot.snapshot import LiveModel

_MARGIN_S = 0.01


class Ladder:
    """Walks the rungs for one call at a time; holds what the rungs need."""

    def __init__(self, scorer: Scorer, lookup: Lookup, settings: Settings) -> None:
        self._scorer = scorer
        self._lookup = lookup
        self._candidates = settings.candidates
        self._ttl_s = settings.candidates_ttl_s

    def climb(self, call: Call, then: Step) -> None:
        """Set the outcome of the first rung that gives items, filled up from the rungs below, and continue the call."""
        reason, rules = call.closed, call.rules
        if (reason and not call.anchored) or reason in ("rate_limited", "overload") or not rules.recommender:
            call.told("live", reason or "the placement names no recommender")
            settle(call, None, reason, then)
            return
        model = call.snapshot.models.get(rules.recommender)
        if model is None:
            settle(call, from_list(call, None, "stale", "model_missing"), "model_missing", then)
            return
        # a current list was made from a history the model knew, so it need not be looked at
        current = is_current(call, model)
        if current and rules.least_confidence == 0 and (outcome := kept(call, model)):
            settle(call, outcome, "", then)
            return
        history = known_history(call, model)
        if not len(history.row) or model.loaded.confidence(history) < rules.least_confidence:
            call.told("live", "too little is known")
            settle(call, None, "low_confidence", then)
        elif current and rules.least_confidence and (outcome := kept(call, model)):
            settle(call, outcome, "", then)
        else:
            self._live(call, model, history, then)

    def _live(self, call: Call, model: LiveModel, history: History, then: Step) -> None:
        """Score with the mask and the exclusions in the graph."""
        if self._scorer.busy and call.cached is not None and call.cached.seq == seq_of(call):
            # a promotion makes every list one of an older model: these serve on while there is a queue
            self._lower(call, model, then, "overload")
            return
        exclude = known_rows(model, call.anchor) if len(call.anchor) else NONE
        if call.wanted.exclude_bought and call.state is not None and call.state.bought_count:
            bought = known_rows(model, call.state.bought)
            exclude = np.concatenate([exclude, bought]) if len(exclude) else bought
        k = max(self._candidates, call.limit) + len(call.banned)
        job = Job(
            model, call.snapshot.catalogue, history, exclude, call.wanted, k, call.until - _MARGIN_S,
            partial(self._scored, call, then), partial(self._late, call, then),
        )  # fmt: skip
        try:
            self._scorer.submit(job)
        except Overloaded:
            self._lower(call, model, then, "overload")

    @guarded
    def _scored(self, call: Call, then: Step, job: Job) -> None:
        """Leave the list in Redis behind the answer, and answer, unless that is done."""
        model = job.model
        if job.error:
            if not job.answered:
                self._lower(call, model, then, job.error)
            return
        numbers = call.snapshot.catalogue.group_no[job.groups]
        if call.list_key and call.trusted:
            packed = lists.pack(model.model_no, seq_of(call), numbers, job.scores)
            self._lookup.write("SET", call.list_key, packed, "EX", self._ttl_s)
        if job.answered:
            return
        picks = choose(call, zip(numbers.tolist(), job.scores.tolist(), strict=True), "goes_with" if call.anchored else "for_you")
        call.told("live", f"{len(picks)} items")
        settle(call, Outcome("live", "", picks, model.model_no, model.loaded.recommender, model.loaded.version), "", then)

    @guarded
    def _late(self, call: Call, then: Step, job: Job) -> None:
        self._lower(call, job.model, then, "deadline")

    def _lower(self, call: Call, model: LiveModel, then: Step, reason: str) -> None:
        """Answer from below the live rung."""
        call.told("live", reason)
        settle(call, from_list(call, model, "stale", reason), reason, then)


def lowest(call: Call, reason: str) -> Outcome:
    """Return what the rungs below the model give."""
    picks, rung = fill(call, [])
    return Outcome(rung, reason, picks)


def settle(call: Call, outcome: Outcome | None, reason: str, then: Step) -> None:
    """Fill the outcome up from the rungs below, and continue the call."""
    if outcome is None or len(outcome.picks) < call.limit:
        picks, rung = fill(call, outcome.picks if outcome is not None else [])
        if outcome is None or not outcome.picks:
            outcome = Outcome(rung if picks else "fixed", "too_few_items" if outcome is not None else reason, picks)
        else:
            outcome.picks = picks
            outcome.reason = outcome.reason or "too_few_items"
    call.outcome = outcome
    then(call)


def kept(call: Call, model: LiveModel) -> Outcome | None:
    """Return the answer from a current list, if it gives enough."""
    outcome = from_list(call, model, "cached", "")
    return outcome if outcome is not None and len(outcome.picks) >= call.limit else None


def from_list(call: Call, model: LiveModel | None, rung: str, reason: str) -> Outcome | None:
    """Return what the list that Redis held gives, or None."""
    cached = call.cached
    if cached is None:
        return None
    picks = choose(call, cached.entries(), "goes_with" if call.anchored else "for_you")
    if call.explain:
        call.told(rung, f"{len(picks)} items")
    if not picks:
        return None
    version = model.loaded.version if model is not None and cached.model_no == model.model_no else ""
    return Outcome(rung, reason, picks, cached.model_no, call.rules.recommender, version)


def seq_of(call: Call) -> int:
    """Return the number of the history that a list rests on; 0 where the person has no part in it."""
    return 0 if call.anchored or call.state is None else call.state.seq


def is_current(call: Call, model: LiveModel) -> bool:
    """Tell whether the cached list comes from the live model and the person's present history."""
    return call.cached is not None and call.cached.model_no == model.model_no and call.cached.seq == seq_of(call)


def known_history(call: Call, model: LiveModel) -> History:
    """Return what the model knows of the history that this answer rests on: the page's items, or the person's own."""
    if call.anchored or call.state is None:
        return history_of_anchor(call.anchor, model)
    return history_of(call.state, model)
