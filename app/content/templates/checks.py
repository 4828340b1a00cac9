"""What is found in a template before it is published: it is rendered with a probe item, and its variables are known ones."""

from collections.abc import Iterator

from liquid.template import BoundTemplate

from app.content.liquid import BadTemplate
from app.content.templates.domain import from_document
from app.content.templates.schemas import TemplateIn
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
CARD: dict[str, str] = {"item": "The item of this card.", "locale": FRAME["locale"]}
_LIST_WORDS = {"size", "first", "last"}


def check(template: TemplateIn, names: Names, facts: Facts | None) -> Iterator[Finding]:
    """Give what can never work, and variables that nothing stands for."""
    try:
        compiled = from_document("", 0, template.model_dump())
    except BadTemplate as error:
        yield Finding(level="error", field=str(error).partition(":")[0], message=str(error))
        return
    for name, part in compiled.parts.items():
        yield from _variables(f"{name}.frame", part.frame, FRAME)
        yield from _variables(f"{name}.card", part.card, CARD)


def _variables(field: str, part: BoundTemplate, known: dict[str, str]) -> Iterator[Finding]:
    told = set()
    for name, uses in part.analyze().globals.items():
        for use in uses:
            place = [str(one) for one in use.segments]
            message = ""
            if name == "person":
                message = "nothing of a person can be shown yet: it is empty"
            elif name not in known:
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
