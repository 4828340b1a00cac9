"""What is found in a template before it is published: it is rendered with a probe item, and its variables are known ones."""

import re
from collections.abc import Collection, Iterator
from typing import Any

from liquid.template import BoundTemplate

from app.content.liquid import BadTemplate
from app.content.templates.domain import from_document
from app.content.templates.person import read
from app.content.templates.schemas import TemplateIn
from app.data.conditions.syntax import Wrong
from app.data.segments.domain import NAME as SEGMENT
from app.documents.kinds import Facts, Finding, Names, nearest

ITEM: dict[str, str] = {
    "item_id": "The shop's id of the item.",
    "title": "Its title in the locale.",
    "url": "The link to its page, which counts the click; # where it has none.",
    "image_url": "The address of its picture, empty without one.",
    "image_width": "Width of the picture in pixels; 600 where the feed does not say.",
    "image_height": "Height of the picture in pixels; 600 where the feed does not say.",
    "price": "The price as a number, 0 without one.",
    "price_formatted": "The price as the locale writes it, empty without one.",
    "currency": "The currency of the price, such as EUR.",
    "brand": "Its brand.",
    "category": "Its category, such as Women > Shoes.",
    "availability": "in_stock or out_of_stock.",
    "position": "Its place in the block, from 1.",
    "score": "What the model gave it.",
    "reason": "Why it is here, such as for_you or popular.",
    "count": "How many products there are of the category or brand that it stands for; empty for an item.",
}
FRAME: dict[str, str] = {
    "cards": "The finished cards, in their order.",
    "items": "The items themselves, each with the variables of a card.",
    "item_count": "How many there are.",
    "placement": "The name of the placement.",
    "locale": "The locale that was asked for, such as de or en-GB.",
    "parts": "The parts of the block, each with heading, name, shows, cards, items, item_count, first (from 1); else one without heading.",
}
_PART = ("heading", "name", "shows", "cards", "items", "item_count", "first")
_PERSON = "The person of the call; empty for nobody, without their consent to personal content, and for keys of a website."
FRAME["person"] = _PERSON
CARD: dict[str, str] = {"item": "The item of this card.", "locale": FRAME["locale"], "person": _PERSON}
PERSON: dict[str, str] = {
    'facts["orders.30d"]': "A fact, by its name in the list of facts.",
    "traits.first_name": "What was told of the person, by the name of the trait.",
    "segments": "The names of the segments the person is in, as a list.",
}
_LIST_WORDS = {"size", "first", "last"}
_WAYS = 'write person.facts["orders.30d"], person.traits.first_name or person.segments'
_CONTAINS = re.compile(r"""\bperson\.segments\s+contains\s+(?:"([^"]*)"|'([^']*)')""")


def check(template: TemplateIn, names: Names, facts: Facts | None) -> Iterator[Finding]:
    """Give what can never work, and variables that nothing stands for."""
    try:
        compiled = from_document("", 0, template.model_dump())
    except BadTemplate as error:
        yield Finding(level="error", field=str(error).partition(":")[0], message=str(error))
        return
    written = template.model_dump()
    for name, part in compiled.parts.items():
        for half, made, known in (("frame", part.frame, FRAME), ("card", part.card, CARD)):
            yield from _variables(f"{name}.{half}", made, known)
            yield from _person(f"{name}.{half}", made, written[name][half], names["segment"])


def _variables(field: str, part: BoundTemplate, known: dict[str, str]) -> Iterator[Finding]:
    told = set()
    for name, uses in part.analyze().globals.items():
        for use in uses:
            place = [str(one) for one in use.segments]
            message = ""
            if name not in known:
                message = f"is no variable here{nearest(name, known)}: it is empty"
            elif name == "item" and len(place) > 1 and place[1] not in ITEM:
                message = f"is nothing that an item has{nearest(place[1], ITEM)}: it is empty"
            elif name == "items" and len(place) > 2 and place[-1] not in ITEM and place[-1] not in _LIST_WORDS:
                message = f"is nothing that an item has{nearest(place[-1], ITEM)}: it is empty"
            elif name == "parts" and len(place) > 2 and place[-1] not in _PART and place[-1] not in _LIST_WORDS:
                message = f"is nothing that a part has{nearest(place[-1], _PART)}: it is empty"
            written = ".".join(place)
            if message and written not in told:
                told.add(written)
                yield Finding(level="warning", field=field, message=f"{{{{ {written} }}}} {message}")


def _person(field: str, template: BoundTemplate, source: str, segments: Collection[str]) -> Iterator[Finding]:
    """Give what a template asks of a person and cannot get, on its line."""
    wrong = [(use.span.index, one) for use in template.analyze().globals.get("person", ()) for one in _wrong(list(use.segments), segments)]
    for found in _CONTAINS.finditer(source):
        name = found[1] or found[2] or ""
        if name not in segments:
            wrong.append((found.start(), (f"there is no segment {name}{nearest(name, segments)}", False)))
    for place, (message, never) in sorted(wrong):
        line = source.count("\n", 0, place) + 1
        yield Finding(level="error" if never else "warning", field=field, message=f"line {line}: {message}")


def _wrong(place: list[Any], segments: Collection[str]) -> Iterator[tuple[str, bool]]:
    what = place[1] if len(place) > 1 else None
    name = place[2] if len(place) > 2 else None
    if what == "segments":
        return
    if what not in ("facts", "traits"):
        yield f"person{f'.{what}' if what else ''} is nothing to show: {_WAYS}", False
    elif not isinstance(name, str):
        yield f"person.{what} takes a name that is written out: {_WAYS}", True
    elif len(place) > 3 and isinstance(place[3], str) and place[3] not in _LIST_WORDS:
        yield f'a name with dots stands in brackets: write person.{what}["{".".join(map(str, place[2:]))}"]', True
    elif what == "facts":
        yield from _wrong_fact(name, segments)


def _wrong_fact(written: str, segments: Collection[str]) -> Iterator[tuple[str, bool]]:
    try:
        ref = read(written)
    except Wrong as wrong:
        yield str(wrong), True
        return
    if ref.name == SEGMENT and ref.key not in segments:
        yield f"there is no segment {ref.key}{nearest(ref.key, segments)}", False
