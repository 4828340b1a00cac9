"""Writes an outcome as flat ASCII JSON, put together from pieces that were encoded before."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from app.core.errors import ascii_json
from app.core.ids import short
from app.serving.model.call import Call
from app.serving.model.outcome import ITEM_REASONS
from app.serving.render import LARGEST_ITEMS
from app.serving.render import shelf as items
from app.serving.render.sections import json_parts, safe


def json_body(call: Call, link: str, explain: dict[str, Any] | None = None) -> bytes:
    """Return flat ASCII JSON, put together from pieces that were encoded before."""
    outcome, now = call.outcome, time.time()
    shelf = items.shelf(call.snapshot.catalogue, call.locale, now)
    fronts, unlinked = shelf.fronts, shelf.unlinked
    pieces: list[str] = _direct(call, shelf) if call.direct else []
    for place, (index, score, reason) in enumerate(outcome.picks if not pieces else ()):
        front = fronts[index] or shelf.item(index).json
        if call.escape:
            front = items.json_escaped(shelf.item(index))
        if link and index not in unlinked:
            pieces += (front, link, _LINKED[place], f"{score:.6g}", _REASON[reason])
        else:
            pieces += (front, _UNLINKED[place], f"{score:.6g}", _REASON[reason])
    written, count = "".join(pieces)[:-1], len(outcome.picks)
    if len(written) > LARGEST_ITEMS:
        written, count = _cut(call, written)
    return (
        f'{{"recommendation_id":"{short(outcome.recommendation_id)}","placement":{_quoted(call.placement, call.escape)},'
        f'"user_id":{_quoted(call.user, call.escape)},{outcome.rung.json}"fallback_reason":"{outcome.reason}",'
        f'"model":"{outcome.recommender}","model_version":"{outcome.version}","arm":"","generated_at":"{_moment(int(now))}",'
        f'"item_count":{count},"has_items":{"true" if count else "false"},"warnings":{_warnings(call)},'
        f"{_pixel(call)}{_explained(explain)}{json_parts(call, count) if call.rules.parts else ''}"
        f'"items":[{written}]}}'
    ).encode()


def _direct(call: Call, shelf: items.Shelf) -> list[str]:
    """Return items whose links lead to their own pages, for whoever wants no tracking."""
    pieces: list[str] = []
    for place, (index, score, reason) in enumerate(call.outcome.picks):
        item = shelf.item(index)
        front = items.json_escaped(item) if call.escape else item.json
        pieces += (front, _quoted(item.target, call.escape)[1:-1], _UNLINKED[place], f"{score:.6g}", _REASON[reason])
    return pieces


def _warnings(call: Call) -> str:
    return ascii_json([safe(warning, call.escape) for warning in call.warnings]).decode() if call.warnings else "[]"


def _pixel(call: Call) -> str:
    return f'"open_pixel_url":"{call.pixel}",' if call.pixel else ""


def _explained(explain: dict[str, Any] | None) -> str:
    return f'"explain":{ascii_json(explain).decode()},' if explain is not None else ""


def _cut(call: Call, written: str) -> tuple[str, int]:
    """Drop the items that e-mail platforms would not read; only the largest texts a catalogue takes need it."""
    call.warnings = [*call.warnings, "items: cut, as e-mail platforms read no more than 1 MB"]
    kept: list[str] = []
    for item in orjson.loads(f"[{written}]"):
        kept.append(ascii_json(item).decode())
        if sum(map(len, kept)) + len(kept) > LARGEST_ITEMS:
            kept.pop()
            break
    return ",".join(kept), len(kept)


_MOST_ITEMS = 50
_LINKED = [f'/{place}","position":{place},"score":' for place in range(1, _MOST_ITEMS + 1)]
_UNLINKED = [f'","position":{place},"score":' for place in range(1, _MOST_ITEMS + 1)]
_REASON = {reason: f',"reason":"{reason}"}},' for reason in ITEM_REASONS}


@lru_cache(maxsize=2)
def _moment(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()


def _quoted(text: str, escape: bool) -> str:
    if text.isascii() and (text.isalnum() or text.replace("-", "").replace("_", "").isalnum()):
        return f'"{text}"'
    return ascii_json(safe(text, escape)).decode()
