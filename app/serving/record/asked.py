"""What of a request is kept beside its answer, so that it can be asked again: what names nobody, and nothing in words of the caller's."""

import re

import orjson

from app.data.catalogue.values.categories import comparable
from app.serving.model.call import Call

_WORD = re.compile(r"[A-Za-z0-9_-]{1,32}")


def asked(call: Call) -> bytes:
    """Return as JSON the parameters of a call by which its answer differs from that of a plain one; empty where there are none.

    Items and categories are those that the catalogue knows. `ctx` is left out: a caller may say anything in it, also of the person, and
    what is recorded outlasts their erasure.
    """
    said: dict[str, str] = {}
    known = call.snapshot.catalogue.index_of
    if call.items:
        said["item_id"] = ",".join([one for one in call.items if one in known])
    if call.exclude:
        said["exclude"] = ",".join(sorted([one for one in call.exclude if one in known]))
    if call.category:
        said["category"] = _categories(call)
    if call.locale:
        said["locale"] = call.locale
    if call.channel and _WORD.fullmatch(call.channel):
        said["channel"] = call.channel
    if call.country:
        said["country"] = call.country
    if call.limit != call.placed.placement.places:
        said["limit"] = str(call.limit)
    if call.blank:
        said["empty"] = "blank"
    return orjson.dumps(said) if said else b""


def _categories(call: Call) -> str:
    known = call.snapshot.catalogue.categories
    if (whole := comparable(call.category)) in known:
        return known[whole]
    parts = [comparable(part) for part in call.category.split(",")]
    return ",".join(known[part] for part in parts if part in known)
