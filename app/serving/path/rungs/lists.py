"""The rungs that give from the list which Redis held: a current one, and one of before where the model cannot answer."""

from app.ml.contract import History
from app.serving.model.call import Call
from app.serving.model.outcome import ItemReason, Pick, Reason
from app.serving.path.choose import choose
from app.serving.path.person import history_of, history_of_anchor
from app.serving.path.rungs.climb import Climb
from app.serving.snapshot.snapshot import LiveModel

# a member of an enumeration costs more to look up than a name of the module
_FOR_YOU, _GOES_WITH = ItemReason.FOR_YOU, ItemReason.GOES_WITH
# these say that the model did not answer; where it knows too little of a person, a list of before is no better
_FAILED = frozenset({Reason.MODEL_MISSING, Reason.MODEL_ERROR, Reason.DEADLINE, Reason.OVERLOAD})


def current(climb: Climb) -> list[Pick]:
    """Give what a current list gives, if that is enough.

    It was made from a history the model knew, so that need not be looked at unless a placement asks for confidence.
    """
    call = climb.call
    model = call.snapshot.models.get(call.rules.recommender)
    if model is None or not is_current(call, model) or (call.rules.least_confidence and not is_confident(call, model)):
        return []
    picks = _listed(climb, model, "cached")
    if call.ruled is not None:
        return picks if call.ruled.enough(picks) else []
    return picks if len(picks) + len(climb.outcome.picks) >= call.limit else []


def earlier(climb: Climb) -> list[Pick]:
    """Give what a list of an older history or model gives."""
    if climb.outcome.reason not in _FAILED or climb.call.cached is None:
        return []
    return _listed(climb, climb.call.snapshot.models.get(climb.call.rules.recommender), "stale")


def _listed(climb: Climb, model: LiveModel | None, rung: str) -> list[Pick]:
    call, outcome, cached = climb.call, climb.outcome, climb.call.cached
    assert cached is not None
    known = model if model is not None and cached.model_no == model.model_no else None
    below = known.loaded.popular_below if known is not None else {}
    picks = choose(call, cached, why(call), climb.taken(), below)
    if call.explain:
        call.told(rung, f"{len(picks)} items")
    if picks:
        outcome.model_no, outcome.recommender = cached.model_no, call.rules.recommender
        outcome.version = known.loaded.version if known is not None else ""
    return picks


def why(call: Call) -> ItemReason:
    """Return why a scored item is shown: it goes with those of the page, or is for the person."""
    return _GOES_WITH if call.anchored else _FOR_YOU


def made_from(call: Call) -> int:
    """Return what tells the history that a list rests on; 0 where the person has no part in it."""
    return 0 if call.anchored or call.state is None else call.state.digest


def is_current(call: Call, model: LiveModel) -> bool:
    """Tell whether the cached list comes from the live model and the person's present history."""
    return call.cached is not None and call.cached.model_no == model.model_no and call.cached.made_from == made_from(call)


def known_history(call: Call, model: LiveModel) -> History:
    """Return what the model knows of the history that this answer rests on: the page's items, or the person's own."""
    if call.anchored or call.state is None:
        return history_of_anchor(call.anchor, model)
    return history_of(call.state, model)


def is_confident(call: Call, model: LiveModel) -> bool:
    """Tell whether the model knows enough of the history to answer in this placement."""
    history = known_history(call, model)
    return len(history.row) > 0 and model.loaded.confidence(history) >= call.rules.least_confidence


def knows_too_little(call: Call) -> bool:
    """Tell whether the placement's model is missing, or knows too little of the history to answer."""
    model = call.snapshot.models.get(call.rules.recommender)
    return model is None or not is_confident(call, model)
