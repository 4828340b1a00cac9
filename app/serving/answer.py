"""Writes an outcome as bytes: JSON from prepared pieces, HTML and text through the placement's template."""

import time
from dataclasses import dataclass, replace
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
from app.serving.domain import ITEM_REASONS, Outcome, Pick
from app.serving.links import Served
from app.serving.request import Request
from app.serving.snapshot.snapshot import Placed, Snapshot

MEDIA = {"json": b"application/json; charset=utf-8", "html": b"text/html; charset=utf-8", "text": b"text/plain; charset=utf-8"}

# Braze reads answers of up to 1 MB; the rest is for what stands around the items
_LARGEST_ITEMS = 950_000


@dataclass(slots=True)
class Answer:
    """An outcome with the address of its links; `link` is empty when none could be signed."""

    request: Request
    placed: Placed
    snapshot: Snapshot
    outcome: Outcome
    link: str
    explain: dict[str, Any] | None = None


def served(request: Request, placed: Placed, snapshot: Snapshot, outcome: Outcome, at: int) -> Served:
    """Return what the links of this answer carry."""
    known = snapshot.catalogue.numbers
    numbers = tuple([known[pick.index] for pick in outcome.picks])
    locale = request.locale if len(request.locale) < 60 else ""
    return Served(request.tenant, at, placed.number, outcome.recommendation_id, outcome.person_no, locale, numbers)


def body(given: Answer) -> bytes:
    """Return the body in the format asked for."""
    if given.request.format == "json":
        return json_body(given)
    return rendered_body(given, html=given.request.format == "html")


def json_body(given: Answer) -> bytes:
    """Return flat ASCII JSON, put together from pieces that were encoded before."""
    request, outcome = given.request, given.outcome
    parts: list[bytes] = []
    size = 0
    link, locale, catalogue, now = given.link.encode(), request.locale, given.snapshot.catalogue, time.time()
    for place, pick in enumerate(outcome.picks, 1):
        item = items.show(catalogue, pick.index, locale, now)
        front = items.json_escaped(item) if request.escape else item.json
        url = b"%b/%d" % (link, place) if link and item.target else b""
        parts.append(_ITEM % (front, url, place, pick.score, _REASON[pick.reason]))
        size += len(parts[-1])
        if size > _LARGEST_ITEMS:
            parts.pop()
            request.warnings.append("items: cut, as e-mail platforms read no more than 1 MB")
            break
    return _HEAD % (
        short(outcome.recommendation_id).encode(),
        _quoted(request.placement, request.escape),
        _quoted(request.user, request.escape),
        outcome.rung.encode(),
        b"true" if outcome.fallback else b"false",
        outcome.reason.encode(),
        outcome.recommender.encode(),
        outcome.version.encode(),
        _moment(int(now)),
        len(parts),
        b"true" if parts else b"false",
        ascii_json([_safe(warning, request.escape) for warning in request.warnings]) if request.warnings else b"[]",
        b'"explain":' + ascii_json(given.explain) + b"," if given.explain is not None else b"",
        b",".join(parts),
    )


_ITEM = b'%b%b","position":%d,"score":%.6g,"reason":"%b"}'
_REASON = {reason: reason.encode() for reason in ITEM_REASONS}
_HEAD = (
    b'{"recommendation_id":"%b","placement":%b,"user_id":%b,"source":"%b","fallback":%b,"fallback_reason":"%b","model":"%b",'
    b'"model_version":"%b","arm":"","generated_at":"%b","item_count":%d,"has_items":%b,"warnings":%b,%b"items":[%b]}'
)


@lru_cache(maxsize=2)
def _moment(second: int) -> bytes:
    return datetime.fromtimestamp(second, UTC).isoformat().encode()


def _quoted(text: str, escape: bool) -> bytes:
    if text.isascii() and text.replace("-", "").replace("_", "").isalnum():
        return b'"%b"' % text.encode()
    return ascii_json(_safe(text, escape))


def _safe(text: str, escape: bool) -> str:
    clean = text.encode("utf-8", "replace").decode()
    return neutral_html(clean) if escape else neutral_text(clean)


def rendered_body(given: Answer, *, html: bool) -> bytes:
    """Return HTML as ASCII with entities, or UTF-8 text; the placement's fixed content when there is nothing else."""
    fixed = given.placed.placement.fixed
    body = None
    if given.outcome.picks:
        body = _fitting(given, html=html)
    elif given.request.blank:
        return b""
    if body is None:
        body = ascii_html(fixed.html) if html else fixed.text.encode("utf-8", "replace")
    return _no_json(body, b"<!-- -->" if html else b" .")


def _fitting(given: Answer, *, html: bool) -> bytes | None:
    """Render as many items as fit into what e-mail platforms read; only the largest texts a catalogue takes need a cut."""
    body = _through_template(given, html=html)
    while body is not None and len(body) > _LARGEST_ITEMS and len(given.outcome.picks) > 1:
        telemetry.ERRORS.labels("answer", "cut").inc()
        fitting = max(1, len(given.outcome.picks) * _LARGEST_ITEMS // len(body))
        given = replace(given, outcome=replace(given.outcome, picks=given.outcome.picks[:fitting]))
        body = _through_template(given, html=html)
    return body


def _through_template(given: Answer, *, html: bool) -> bytes | None:
    templates = given.snapshot.config.templates
    for name in dict.fromkeys((given.placed.placement.template, "grid")):
        template = templates.get(name)
        if template is None:
            continue
        try:
            return _rendered(given, template, template.html if html else template.text)
        except BadTemplate as error:
            log.error("template.fault", template=name, error=str(error)[:200])
    return None


def _rendered(given: Answer, template: Template, part: Compiled) -> bytes:
    picks, locale = given.outcome.picks, given.request.locale
    pieces = None if part.slow else part.pieces(len(picks), given.placed.name, locale)
    if pieces is None:
        return _rendered_anew(given, part)
    key, now, link = (template.name, template.version, part.html), time.time(), given.link.encode()
    out = [pieces[0]]
    for place, pick in enumerate(picks, 1):
        item = items.show(given.snapshot.catalogue, pick.index, locale, now)
        card = item.cards.get(key)
        if card is None:
            shown = item.html_values() if part.html else item.text_values()
            card = item.cards[key] = part.card_with_holes(shown, locale)
        url = b"%b/%d" % (link, place) if link and item.target else b"#"
        out.append(url.join(card.parts) if card.only_url else card.filled(_holes(url, pick, place)))
        out.append(pieces[place])
    return b"".join(out)


def _rendered_anew(given: Answer, part: Compiled) -> bytes:
    """Render every card and the frame through Liquid, for a template that computes with what differs from serve to serve."""
    locale, now = given.request.locale, time.time()
    values: list[dict[str, Any]] = []
    for place, pick in enumerate(given.outcome.picks, 1):
        item = items.show(given.snapshot.catalogue, pick.index, locale, now)
        shown = item.html_values() if part.html else item.text_values()
        url = f"{given.link}/{place}".encode() if given.link and item.target else b"#"
        values.append({**shown, **{name: value.decode() for name, value in _holes(url, pick, place).items()}})
    context = {"items": values, "item_count": len(values), "placement": given.placed.name, "locale": locale}
    return part.encoded(part.page([part.whole_card(one, locale) for one in values], context))


def _holes(url: bytes, pick: Pick, place: int) -> dict[str, bytes]:
    return {"url": url, "position": b"%d" % place, "score": b"%.6g" % pick.score, "reason": _REASON[pick.reason]}


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
