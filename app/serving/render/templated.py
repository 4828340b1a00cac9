"""Writes an outcome through the placement's template, in whatever format templates make."""

# long: whole and prepared cards, their budget, and what stands in for a template

import time
from collections.abc import Callable
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
from app.serving.render import LARGEST_ITEMS, person
from app.serving.render import shelf as items
from app.serving.render.sections import Section, sections, tile

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
            body = _writer(call)(call, link, picks, template, part)
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


def written(call: Call, link: bytes, picks: list[Pick], template: Template, part: Compiled) -> bytes:
    """Return the items as a part of a template writes them; raises BadTemplate."""
    return _writer(call)(call, link, picks, template, part)


def _writer(call: Call) -> Callable[[Call, bytes, list[Pick], Template, Compiled], bytes]:
    return _in_parts if call.rules.parts else _rendered


def _in_parts(call: Call, link: bytes, picks: list[Pick], template: Template, part: Compiled) -> bytes:
    """Render a block that has several parts: by a frame that draws them, or else the frame around each of them, below its heading."""
    if part.reads_parts:
        return _rendered_anew(call, link, picks, part)
    form, made = part.form, []
    for one in sections(call, len(picks)):
        mine = picks[one.first : one.first + one.many]
        text = (form.escape or form.neutralise)(one.heading)
        above = form.encode(form.heading % text) if text else b""
        if one.shows == "items":
            made.append(above + _rendered(call, link, mine, template, part, one.first))
        else:
            made.append(above + _rendered_anew(call, link, mine, part, one))
    return form.between.join(made)


def _rendered(call: Call, link: bytes, picks: list[Pick], template: Template, part: Compiled, before: int = 0) -> bytes:
    """Render items, of which so many others stand before."""
    locale, catalogue = call.locale, call.snapshot.catalogue
    pieces = None if part.slow else part.pieces(len(picks), call.placed.name, locale)
    if pieces is None:
        return _rendered_anew(call, link, picks, part, Section("", "", "items", before, len(picks)))
    shelf = items.shelf(catalogue, locale, time.time())
    cards = shelf.cards((template.name, template.version, part.form.name))
    out, clock = [pieces[0]], None
    for place, pick in enumerate(picks, before + 1):
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
        out.append(pieces[place - before])
    return b"".join(out)


def _rendered_anew(call: Call, link: bytes, picks: list[Pick], part: Compiled, alone: Section | None = None) -> bytes:
    """Render every card and the frame through Liquid, for a template that computes with what differs from serve to serve.

    Where one part of a block stands `alone` in the frame, its heading stands above it.
    """
    locale, now, clock = call.locale, time.time(), Clock(SERVE_S)
    who = person.values(call, part)
    shown_parts = [alone] if alone is not None else sections(call, len(picks))
    before = alone.first if alone is not None else 0
    values: list[dict[str, Any]] = []
    for section in shown_parts:
        for place, pick in enumerate(picks[section.first - before :][: section.many], section.first + 1):
            item = items.show(call.snapshot.catalogue, pick[0], locale, now)
            url = b"%b/%d" % (link, place) if link and item.target else item.target.encode() if call.direct and item.target else b"#"
            looks = item.values if section.shows == "items" else {**item.values, **_as_tile(call, section, pick)}
            values.append({**shown(looks, part.form), **{name: value.decode() for name, value in _holes(url, pick, place).items()}})
    context = {"items": values, "item_count": len(values), "placement": call.placed.name, "locale": locale, **who}
    if part.reads_parts:
        context["parts"] = [
            {**shown({"name": one.name, "heading": one.heading, "shows": one.shows}, part.form), "first": one.first - before + 1,
             "item_count": one.many, "items": values[one.first - before :][: one.many]}
            for one in shown_parts
        ]  # fmt: skip
    return part.form.encode(part.page([part.whole_card(one, locale, clock, who) for one in values], context, clock))


def _as_tile(call: Call, section: Section, pick: Pick) -> dict[str, Any]:
    """Return what of an item that stands for a category or brand is shown in another way: its name for the title, and no price."""
    told = tile(call, section, pick)
    return {"title": told["name"], "count": told["count"], "price": 0, "price_formatted": ""}


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
