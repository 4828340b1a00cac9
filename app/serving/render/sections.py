"""The parts of an answer as they are shown: headings with what their seeds know, and which of the items each has."""

import time
from typing import Any, NamedTuple

from app.content.escaping import neutral_html, neutral_text
from app.core.errors import ascii_json
from app.data.catalogue.values.categories import last
from app.decisions.placements.domain import Filter
from app.decisions.placements.headings import written
from app.serving.model.call import Call
from app.serving.model.composed import COLUMN, Composed
from app.serving.model.outcome import Pick
from app.serving.render import shelf as items


class Section(NamedTuple):
    """A part of a block: its items are `many` of the answer's from place `first` (from 0) on; `shows` is items, categories or brands."""

    name: str
    heading: str
    shows: str
    first: int
    many: int
    source: str = ""
    reason: str = ""
    wanted: Filter | None = None


def sections(call: Call, count: int) -> list[Section]:
    """Return the parts of an answer that shows so many items; one without a heading where the placement has none."""
    parts: tuple[Composed, ...] = call.outcome.parts
    if not parts:
        own = call.rules.parts
        return [Section(own[0].name if own else "", own[0].default if own else "", "items", 0, count)]
    found, first = [], 0
    for one in parts:
        many = min(len(one.outcome.picks), count - first)
        if many > 0:
            said = one.outcome
            found.append(Section(one.part.name, heading(call, one), one.part.shows, first, many, said.rung.name, said.reason, one.wanted))
        first += many
    return found


def heading(call: Call, one: Composed) -> str:
    """Return what stands above a part, as plain text in the locale of a call."""
    seed, part = one.seed, one.part
    if not seed.known:
        return part.default
    values = {"brand": seed.word, "category": last(seed.word)}
    if seed.item >= 0:
        shown = items.show(call.snapshot.catalogue, seed.item, call.locale, time.time()).values
        values = {"item.title": shown["title"], "brand": shown["brand"], "category": last(shown["category"])}
    return written(part, values)


def tile(call: Call, section: Section, pick: Pick) -> dict[str, Any]:
    """Return name and count of the category or brand that an item stands for."""
    catalogue, column = call.snapshot.catalogue, COLUMN[section.shows]
    word = catalogue.word(column, pick[0])
    passing = catalogue.passing(section.wanted or call.wanted).first
    count = int((catalogue.code[column][passing[passing >= 0]] == catalogue.code[column][pick[0]]).sum())
    return {"name": last(word), "full_name": word, "count": count}


def json_parts(call: Call, count: int) -> str:
    """Return the parts as members of a JSON object, with flat ones beside them for platforms that go into no list."""
    told, flat = [], dict[str, Any]()
    picks, ids = call.outcome.picks, call.snapshot.catalogue.item_ids
    for number, one in enumerate(sections(call, count), 1):
        mine = picks[one.first : one.first + one.many]
        said: dict[str, Any] = {
            "name": one.name, "heading": safe(one.heading, call.escape), "shows": one.shows, "source": one.source or call.outcome.rung.name,
            "fallback_reason": one.reason if one.source else call.outcome.reason, "first": one.first + 1, "item_count": one.many,
            "items": [safe(ids[index], call.escape) for index, _, _ in mine],
        }  # fmt: skip
        if one.shows != "items":
            said[one.shows] = [_safe_tile(call, one, place, pick) for place, pick in enumerate(mine, one.first + 1)]
        told.append(said)
        flat |= {f"part{number}_{name}": said[name] for name in ("name", "heading", "first", "item_count")}
    return f'"parts":{ascii_json(told).decode()},{ascii_json({"part_count": len(told), **flat}).decode()[1:-1]},'


def _safe_tile(call: Call, section: Section, place: int, pick: Pick) -> dict[str, Any]:
    shown = items.show(call.snapshot.catalogue, pick[0], call.locale, time.time()).values
    said = {"position": place, "item_id": shown["item_id"], "image_url": shown["image_url"], **tile(call, section, pick)}
    return {name: safe(value, call.escape) if isinstance(value, str) else value for name, value in said.items()}


def safe(text: str, escape: bool) -> str:
    """Return text for JSON, whatever halves of characters it holds."""
    clean = text.encode("utf-8", "replace").decode()
    return neutral_html(clean) if escape else neutral_text(clean)
