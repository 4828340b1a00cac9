"""Tells of parameters that are none, with the one that was probably meant."""

from functools import lru_cache

from app.serving.model.call import Call
from app.serving.model.parameters import PARAMETERS

# A second question mark in an address; what follows it is read as parameters.
SECOND_MARK = "?"
# Marks of campaigns and of what keeps caches out.
_OTHERS = ("utm_", "_", "mc_", "hsa_", "pk_")
_BUSTERS = frozenset({"gclid", "fbclid", "msclkid", "cb", "cachebuster", "nocache", "random", "rnd", "ts", "t", "v"})
_LONGEST_NAME, _MOST_UNKNOWN = 40, 8
_MEANT = {name.replace("_", ""): name for name in PARAMETERS} | {other: one.name for one in PARAMETERS.values() for other in one.meant}


def unknown(call: Call, name: str) -> None:
    """Tell about a parameter that is not read, a few of them; what trackers add to every address is none of ours."""
    if name == SECOND_MARK:
        call.complain("placement: what followed a second ? was read as parameters; write & instead")
    elif not name.startswith(_OTHERS) and name not in _BUSTERS and len(call.warnings) < _MOST_UNKNOWN:
        nearest = _nearest(name) if len(name) <= _LONGEST_NAME else ""
        call.complain(f"{name[:_LONGEST_NAME]}: is no parameter and was not read" + (f"; is {nearest} meant?" if nearest else ""))


@lru_cache(maxsize=256)
def _nearest(name: str) -> str:
    """Return the parameter whose name resembles one, empty for none."""
    bare = "".join(c for c in name.lower() if c.isalnum())
    if bare in _MEANT:
        return _MEANT[bare]
    # one letter too many, too few or other
    return next((known for plain, known in _MEANT.items() if _one_off(bare, plain)), "")


def _one_off(one: str, other: str) -> bool:
    if abs(len(one) - len(other)) > 1 or min(len(one), len(other)) < 3:
        return False
    short, long = sorted((one, other), key=len)
    at = next((place for place, c in enumerate(short) if c != long[place]), len(short))
    same = len(short) == len(long)
    return short[at + 1 :] == long[at + 1 :] or short[at + same :] == long[at + 1 :] or (same and sorted(short) == sorted(long))
