"""Writes an outcome as bytes: JSON from prepared pieces, HTML and text through the placement's template."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from app.content.escaping import ascii_html, neutral_html, neutral_text
from app.content.liquid import BadTemplate
from app.content.templates.domain import Compiled, Template
from app.core import telemetry
from app.core.errors import ascii_json
from app.core.ids import short
from app.core.logging import log
from app.serving import items
from app.serving.call import Call
from app.serving.domain import ITEM_REASONS, RUNGS, Pick, is_fallback

MEDIA = {"json": b"application/json; charset=utf-8", "html": b"text/html; charset=utf-8", "text": b"text/plain; charset=utf-8"}

# Braze reads answers of up to 1 MB; the rest is for what stands around the items
_LARGEST_ITEMS = 950_000


def body(call: Call, link: str, explain: dict[str, Any] | None = None) -> bytes:
    """Return the body in the format asked for; `link` is the address of its links without position, empty when none was signed."""
    if call.format == "json":
        return json_body(call, link, explain)
    return rendered_body(call, link.encode(), html=call.format == "html")


def json_body(call: Call, link: str, explain: dict[str, Any] | None = None) -> bytes:
    """Return flat ASCII JSON, put together from pieces that were encoded before."""
    outcome, now = call.outcome, time.time()
    shelf = items.shelf(call.snapshot.catalogue, call.locale, now)
    fronts, unlinked = shelf.fronts, shelf.unlinked
    pieces: list[str] = []
    for place, (index, score, reason) in enumerate(outcome.picks):
        front = fronts[index] or shelf.item(index).json
        if call.escape:
            front = items.json_escaped(shelf.item(index))
        if link and index not in unlinked:
            pieces += (front, link, _LINKED[place], f"{score:.6g}", _REASON[reason])
        else:
            pieces += (front, _UNLINKED[place], f"{score:.6g}", _REASON[reason])
    written, count = "".join(pieces)[:-1], len(outcome.picks)
    if len(written) > _LARGEST_ITEMS:
        written, count = _cut(call, written)
    return (
        f'{{"recommendation_id":"{short(outcome.recommendation_id)}","placement":{_quoted(call.placement, call.escape)},'
        f'"user_id":{_quoted(call.user, call.escape)},{_SOURCE[outcome.rung]}"fallback_reason":"{outcome.reason}",'
        f'"model":"{outcome.recommender}","model_version":"{outcome.version}","arm":"","generated_at":"{_moment(int(now))}",'
        f'"item_count":{count},"has_items":{"true" if count else "false"},"warnings":{_warnings(call)},'
        f"{_pixel(call)}{_explained(explain)}"
        f'"items":[{written}]}}'
    ).encode()


def _warnings(call: Call) -> str:
    return ascii_json([_safe(warning, call.escape) for warning in call.warnings]).decode() if call.warnings else "[]"


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
        if sum(map(len, kept)) + len(kept) > _LARGEST_ITEMS:
            kept.pop()
            break
    return ",".join(kept), len(kept)


_MOST_ITEMS = 50
_LINKED = [f'/{place}","position":{place},"score":' for place in range(1, _MOST_ITEMS + 1)]
_UNLINKED = [f'","position":{place},"score":' for place in range(1, _MOST_ITEMS + 1)]
_REASON = {reason: f',"reason":"{reason}"}},' for reason in ITEM_REASONS}
_SOURCE = {rung: f'"source":"{rung}","fallback":{"true" if is_fallback(rung) else "false"},' for rung in RUNGS}


@lru_cache(maxsize=2)
def _moment(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()


def _quoted(text: str, escape: bool) -> str:
    if text.isascii() and (text.isalnum() or text.replace("-", "").replace("_", "").isalnum()):
        return f'"{text}"'
    return ascii_json(_safe(text, escape)).decode()


def _safe(text: str, escape: bool) -> str:
    clean = text.encode("utf-8", "replace").decode()
    return neutral_html(clean) if escape else neutral_text(clean)


def rendered_body(call: Call, link: bytes, *, html: bool) -> bytes:
    """Return HTML as ASCII with entities, or UTF-8 text; the placement's fixed content when there is nothing else."""
    fixed = call.rules.fixed
    body = None
    if call.outcome.picks:
        body = _fitting(call, link, html=html)
    elif call.blank:
        return b""
    if body is None:
        body = ascii_html(fixed.html) if html else fixed.text.encode("utf-8", "replace")
    if html and body and call.pixel:
        body += _PIXEL % call.pixel.encode()
    return _no_json(body, b"<!-- -->" if html else b" .")


_PIXEL = b'<img src="%b" width="1" height="1" alt="" style="display:block;width:1px;height:1px;border:0;" />'


def _fitting(call: Call, link: bytes, *, html: bool) -> bytes | None:
    """Render as many items as fit into what e-mail platforms read; only the largest texts a catalogue takes need a cut."""
    picks = call.outcome.picks
    body = _through_template(call, link, picks, html=html)
    while body is not None and len(body) > _LARGEST_ITEMS and len(picks) > 1:
        telemetry.ERRORS.labels("answer", "cut").inc()
        picks = picks[: max(1, len(picks) * _LARGEST_ITEMS // len(body))]
        body = _through_template(call, link, picks, html=html)
    return body


def _through_template(call: Call, link: bytes, picks: list[Pick], *, html: bool) -> bytes | None:
    templates = call.snapshot.config.templates
    for name in dict.fromkeys((call.rules.template, "grid")):
        template = templates.get(name)
        if template is None:
            continue
        try:
            return _rendered(call, link, picks, template, template.html if html else template.text)
        except BadTemplate as error:
            log.error("template.fault", template=name, error=str(error)[:200])
    return None


def _rendered(call: Call, link: bytes, picks: list[Pick], template: Template, part: Compiled) -> bytes:
    locale, catalogue = call.locale, call.snapshot.catalogue
    pieces = None if part.slow else part.pieces(len(picks), call.placed.name, locale)
    if pieces is None:
        return _rendered_anew(call, link, picks, part)
    shelf = items.shelf(catalogue, locale, time.time())
    cards = shelf.cards((template.name, template.version, part.html))
    out = [pieces[0]]
    for place, pick in enumerate(picks, 1):
        index = pick[0]
        card = cards[index]
        if card is None:
            item = shelf.item(index)
            card = cards[index] = part.card_with_holes(item.html_values() if part.html else item.text_values(), locale)
        url = b"%b/%d" % (link, place) if link and index not in shelf.unlinked else b"#"
        out.append(url.join(card.parts) if card.only_url else card.filled(_holes(url, pick, place)))
        out.append(pieces[place])
    return b"".join(out)


def _rendered_anew(call: Call, link: bytes, picks: list[Pick], part: Compiled) -> bytes:
    """Render every card and the frame through Liquid, for a template that computes with what differs from serve to serve."""
    locale, now = call.locale, time.time()
    values: list[dict[str, Any]] = []
    for place, pick in enumerate(picks, 1):
        item = items.show(call.snapshot.catalogue, pick[0], locale, now)
        shown = item.html_values() if part.html else item.text_values()
        url = b"%b/%d" % (link, place) if link and item.target else b"#"
        values.append({**shown, **{name: value.decode() for name, value in _holes(url, pick, place).items()}})
    context = {"items": values, "item_count": len(values), "placement": call.placed.name, "locale": locale}
    return part.encoded(part.page([part.whole_card(one, locale) for one in values], context))


def _holes(url: bytes, pick: Pick, place: int) -> dict[str, bytes]:
    return {"url": url, "position": b"%d" % place, "score": b"%.6g" % pick[1], "reason": pick[2].encode()}


def _no_json(body: bytes, tail: bytes) -> bytes:
    """An e-mail platform parses a body that happens to be JSON; a tail keeps text what it is."""
    if body[:1] in _JSON_STARTS:
        try:
            orjson.loads(body)
        except orjson.JSONDecodeError:
            return body
        return body + tail
    return body


_JSON_STARTS = frozenset(bytes((byte,)) for byte in b'{["-0123456789tfn \t\r\n')
