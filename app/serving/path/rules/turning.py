"""Rules that turn a call to other lists: those of another recommender, or those that are kept for what rules narrow."""

from app.decisions.rules.plan import Plan
from app.serving.model.call import Call
from app.serving.path.rules.viewing import planned
from app.serving.path.rungs.lists import knows_too_little


def turn(call: Call) -> None:
    """Set whose lists answer a call, as far as its rules say."""
    plan = call.plan = planned(call)
    call.narrow = plan.narrow
    if wanted := _recommender(call, plan):
        if plan.swapped is None or plan.swapped.recommender != wanted:
            plan.swapped = call.rules.model_copy(update={"recommender": wanted})
        call.rules = plan.swapped


def turned(call: Call) -> bool:
    """Turn a call whose person was found; tell whether another list must be read for it."""
    before = call.rules.recommender, call.narrow
    turn(call)
    return before != (call.rules.recommender, call.narrow)


def _recommender(call: Call, plan: Plan) -> str:
    if plan.recommender:
        return plan.recommender
    return plan.fallback if plan.fallback and knows_too_little(call) else ""
