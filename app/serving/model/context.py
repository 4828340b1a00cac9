"""What a call tells of its circumstances, for rules to read: the country, and whatever else a caller names."""

import re
from collections.abc import Mapping

import orjson

from app.serving.model.call import Call
from app.serving.model.reading import text

_CONTEXT, _MOST_CONTEXT = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}"), 20


def country(call: Call, name: str, value: str) -> None:
    """Read a country."""
    value = value.strip().upper()
    if value and not (len(value) == 2 and value.isascii() and value.isalpha()):
        call.complain("country: must be two letters, such as GB")
        value = ""
    call.country = value


def context(call: Call, name: str, value: str) -> None:
    """Read what a caller tells beside the parameters, as `ctx.<name>=value`."""
    key = name.partition(".")[2]
    if not _CONTEXT.fullmatch(key):
        call.complain("ctx: write ctx.<name>=value, a name of 1 to 40 letters, digits and _ that begins with a letter")
    elif len(call.ctx) >= _MOST_CONTEXT:
        call.complain(f"ctx: more than {_MOST_CONTEXT} values")
    else:
        call.ctx = {**call.ctx, key: text(call, name, value)}


def requested(call: Call) -> dict[str, str]:
    """Return what facts of the request are read from."""
    return {
        "placement": call.placed.name, "channel": call.channel, "locale": call.locale, "country": call.country,
        "campaign": call.campaign or call.send_id, "category": call.category,
    }  # fmt: skip


def spelled(ctx: Mapping[str, str]) -> str:
    """Return what a caller told beside the parameters, alike in whatever order it came."""
    return orjson.dumps(ctx, option=orjson.OPT_SORT_KEYS).decode() if ctx else ""
