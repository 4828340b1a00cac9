"""Writes an outcome through the placement's template, in whatever format templates make."""

# long: whole and prepared cards, their budget, and what stands in for a template

import time
from typing import Any

import orjson

from app.content.bounds import Clock
from app.content.formats import Format
from app.content.liquid import SERVE_S, BadTemplate, TooSlow, shown
from app.content.templates.domain import Compiled, Template, plain
from app.core import telemetry
from app.core.logging import log
from app.serving.model.call import Call
from app.serving.model.outcome import Pick
from app.serving.render import LARGEST_ITEMS
from app.serving.render import shelf as items

_ASIDE_S = 60.0


def rendered_body(call: Call, link: str, explain: dict[str, Any] | None = None) -> bytes:
    """Return the body as a template makes it, of as many items as e-mail platforms read; else the placement's fixed content."""
    form, picks = call.format, call.outcome.picks
    if not picks and call.blank:
        return form.empty
    body = _through_template(call, link.encode(), picks, form) if picks else None
    while body is not None and len(body) > LARGEST_ITEMS and len(picks) > 1:  # only the largest texts a catalogue takes need a cut
        telemetry.ERRORS.labels("answer", "cut").inc()
        picks = picks[: max(1, len(picks) * LARGEST_ITEMS // len(body))]
        body = _through_template(call, link.encode(), picks, form)
    if body is None:
        body = form.encode(call.rules.fixed.written(form.name)) or form.empty
    if form.pixel and body and call.pixel:
        body += form.pixel % call.pixel.encode()
    return _no_json(body, form.guard)


def _through_template(call: Call, link: bytes, picks: list[Pick], form: Format) -> bytes | None:
    """Render through the placement's template, else the shop's grid, else the one that comes with the format; never to nothing."""
    templates = call.snapshot.config.templates
    for template in (templates.get(call.rules.template), templates.get("grid"), plain(form)):
        part = None if template is None else template.parts.get(form.name)
        if template is None or part is None or (part.aside and _set_aside(part)):
            continue
        try:
            body = _rendered(call, link, picks, template, part)
        except BadTemplate as error:
            if isinstance(error, TooSlow):
                # all others wait while it is rendered: it is not tried again with every answer
                part.aside[:] = [time.monotonic() + _ASIDE_S]
            log.error("template.fault", template=template.name, error=str(error)[:200])
            continue
        if body and not body.isspace():
            return body
    return None


def _set_aside(part: Compiled) -> bool:
    if part.aside[0] > time.monotonic():
        return True
    part.aside.clear()
    return False


def _rendered(call: Call, link: bytes, picks: list[Pick], template: Template, part: Compiled) -> bytes:
    locale, catalogue = call.locale, call.snapshot.catalogue
    pieces = None if part.slow else part.pieces(len(picks), call.placed.name, locale)
    if pieces is None:
        return _rendered_anew(call, link, picks, part)
    shelf = items.shelf(catalogue, locale, time.time())
    cards = shelf.cards((template.name, template.version, part.form.name))
    out, clock = [pieces[0]], None
    for place, pick in enumerate(picks, 1):
        index = pick[0]
        card = cards[index]
        if card is None:
            item = shelf.item(index)
            clock = clock or Clock(SERVE_S)
            card = cards[index] = part.card_with_holes(shown(item.values, part.form), locale, clock)
        url = b"%b/%d" % (link, place) if link and index not in shelf.unlinked else b"#"
        if call.direct:
            url = _direct(shelf.item(index).target, part.form)
        out.append(url.join(card.parts) if card.only_url else card.filled(_holes(url, pick, place)))
        out.append(pieces[place])
    return b"".join(out)


def _rendered_anew(call: Call, link: bytes, picks: list[Pick], part: Compiled) -> bytes:
    """Render every card and the frame through Liquid, for a template that computes with what differs from serve to serve."""
    locale, now, clock = call.locale, time.time(), Clock(SERVE_S)
    values: list[dict[str, Any]] = []
    for place, pick in enumerate(picks, 1):
        item = items.show(call.snapshot.catalogue, pick[0], locale, now)
        url = b"%b/%d" % (link, place) if link and item.target else item.target.encode() if call.direct and item.target else b"#"
        values.append({**shown(item.values, part.form), **{name: value.decode() for name, value in _holes(url, pick, place).items()}})
    context = {"items": values, "item_count": len(values), "placement": call.placed.name, "locale": locale}
    return part.form.encode(part.page([part.whole_card(one, locale, clock) for one in values], context, clock))


def _direct(target: str, form: Format) -> bytes:
    """Return the address of an item's own page, as it stands in a card that was rendered before."""
    return form.encode(form.escape(target) if form.escape else target) or b"#"


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
