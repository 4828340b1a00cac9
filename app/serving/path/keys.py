"""The Redis keys that answer a call."""

from app.core import ids
from app.serving.model.call import Call


def keys_of(call: Call) -> tuple[str, str]:
    """Return the keys of the person's state and of the list that answers the call, '' where there is none."""
    recommender, kept, state, listed = call.rules.recommender, call.wanted.key + call.narrow, "", ""
    if call.key:
        state, listed = ids.person_keys(call.tenant, call.key, recommender, kept, "")
    if call.anchored:
        spelled = "-".join(map(str, sorted(call.anchor.tolist())))
        _, listed = ids.person_keys(call.tenant, b"", recommender, kept, spelled)
    return state, "" if not recommender or call.nothing else listed
