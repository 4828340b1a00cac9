"""The rung that scores now, with the mask and the exclusions in the graph; its list stays in Redis for the next answers."""

from functools import partial

from app.core.settings import Settings
from app.ml.contract import History
from app.serving.model import candidates as lists
from app.serving.model.call import Call, guarded
from app.serving.model.outcome import Pick, Reason
from app.serving.path.choose import choose
from app.serving.path.lookup import Lookup
from app.serving.path.person import hidden_rows
from app.serving.path.rungs.climb import Climb
from app.serving.path.rungs.lists import is_current, known_history, made_from, why
from app.serving.path.rungs.scoring import Job, Overloaded, Scorer
from app.serving.snapshot.snapshot import LiveModel

_MARGIN_S = 0.01
_SET_TTL_S = 600


def live(climb: Climb) -> list[Pick] | None:
    """Give what the placement's model scores now, once it has."""
    call, outcome = climb.call, climb.outcome
    model = call.snapshot.models.get(call.rules.recommender)
    if model is None or climb.scoring is None:
        outcome.reason = Reason.MODEL_MISSING
        return []
    history = known_history(call, model)
    if not len(history.row) or model.loaded.confidence(history) < call.rules.least_confidence:
        outcome.reason = Reason.LOW_CONFIDENCE
        call.told("live", "too little is known")
        return []
    if not climb.scoring.begin(climb, model, history):
        outcome.reason = Reason.OVERLOAD
        call.told("live", Reason.OVERLOAD)
        return []
    return None


class Scoring:
    """Scores for climbs; holds what that needs."""

    def __init__(self, scorer: Scorer, lookup: Lookup, settings: Settings) -> None:
        self._scorer, self._lookup = scorer, lookup
        self._candidates, self._ttl_s = settings.candidates, settings.candidates_ttl_s

    def begin(self, climb: Climb, model: LiveModel, history: History) -> bool:
        """Let a climb wait for its scores; False where there are too many before it."""
        call = climb.call
        # a promotion makes every list one of an older model: these serve on while there is a queue
        if self._scorer.busy and call.cached is not None and call.cached.made_from == made_from(call):
            return False
        # a list that others read too is scored without the person: only where it leaves too little of it for them, they get their own
        call.own = not call.anchored or is_current(call, model)
        k = max(self._candidates, call.limit) + len(call.banned)
        wanted = call.ruled.narrowed() if call.narrow and call.ruled is not None else call.wanted
        job = Job(
            model, call.snapshot.catalogue, history, hidden_rows(call, model), wanted, k, call.until - _MARGIN_S,
            partial(self._scored, call, climb), partial(self._late, call, climb),
        )  # fmt: skip
        try:
            self._scorer.submit(job)
            return True
        except Overloaded:
            return False

    @guarded
    def _scored(self, call: Call, climb: Climb, job: Job) -> None:
        """Leave the list in Redis behind the answer, and answer, unless that is done."""
        model, outcome = job.model, climb.outcome
        if job.error and not job.answered:
            _failed(climb, job.error)
        if job.error:
            return
        numbers = call.snapshot.catalogue.group_no[job.groups]
        if call.list_key and call.trusted and not (call.anchored and call.own):
            packed = lists.pack(model.model_no, made_from(call), numbers, job.scores)
            many = call.anchored and len(call.anchor) > 1  # more sets than anybody could keep: a cart is looked at soon or never
            self._lookup.write("SET", call.list_key, packed, "EX", min(self._ttl_s, _SET_TTL_S) if many else self._ttl_s)
        if job.answered:
            return
        scored = zip(numbers.tolist(), job.scores.tolist(), strict=True)
        picks = choose(call, scored, why(call), climb.taken(), model.loaded.popular_below)
        call.told("live", f"{len(picks)} items")
        if picks:
            outcome.model_no, outcome.recommender, outcome.version = model.model_no, model.loaded.recommender, model.loaded.version
        if len(picks) + len(outcome.picks) < call.limit:
            outcome.reason = Reason.TOO_FEW_ITEMS
        climb.gave(picks)

    @guarded
    def _late(self, call: Call, climb: Climb, job: Job) -> None:
        _failed(climb, Reason.DEADLINE)


def _failed(climb: Climb, reason: Reason) -> None:
    climb.outcome.reason = reason
    climb.call.told("live", reason)
    climb.gave([])
