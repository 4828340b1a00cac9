"""What a template is, and when an item card can be rendered once for all people."""

import re
from dataclasses import dataclass
from typing import Any

from liquid.template import BoundTemplate

from app.content.liquid import BadTemplate, compiled, finished, rendered

# These differ from serve to serve; a card rendered once keeps a hole for each.
HOLES = ("url", "position", "score", "reason")
_HOLE_MARK = {name: f"\ue000{index}\ue001" for index, name in enumerate(HOLES)}
_SPLIT = re.compile("\ue000(\\d)\ue001")
_PLAIN_HOLE = re.compile(r"\{\{-?\s*item\.(?:url|position|score|reason)\s*-?\}\}")
_ANY_HOLE = re.compile(r"\bitem\s*(?:\.\s*(?:url|position|score|reason)\b|\[)|\bperson\b")


@dataclass(frozen=True)
class Card:
    """An item card rendered for one item, with holes: `parts[0] hole[0] parts[1] hole[1] ... parts[-1]`."""

    parts: tuple[str, ...]
    holes: tuple[str, ...]

    def filled(self, values: dict[str, str]) -> str:
        """Return the card with its holes filled."""
        pieces = [self.parts[0]]
        for name, part in zip(self.holes, self.parts[1:], strict=True):
            pieces.append(values[name])
            pieces.append(part)
        return "".join(pieces)


@dataclass(frozen=True)
class Compiled:
    """A frame and an item card of one format, ready to render."""

    frame: BoundTemplate
    card: BoundTemplate
    html: bool
    # a card that computes with what differs from serve to serve, or names the person, is rendered each time
    slow: bool

    def card_with_holes(self, item: dict[str, Any], locale: str) -> Card:
        """Render the card of one item once; the holes keep their place."""
        text = rendered(self.card, {"item": {**item, **_HOLE_MARK}, "locale": locale})
        pieces = _SPLIT.split(text)
        return Card(tuple(pieces[0::2]), tuple(HOLES[int(number)] for number in pieces[1::2]))

    def whole_card(self, item: dict[str, Any], locale: str) -> str:
        """Render the card of one item with its real values."""
        return rendered(self.card, {"item": item, "locale": locale})

    def page(self, cards: list[str], values: dict[str, Any]) -> str:
        """Render the frame around finished cards."""
        shown = [finished(card) for card in cards] if self.html else cards
        return rendered(self.frame, {**values, "cards": shown})


def compile_part(frame: str, card: str, *, html: bool) -> Compiled:
    """Compile a frame and a card; raises BadTemplate."""
    slow = bool(_ANY_HOLE.search(_PLAIN_HOLE.sub("", card)))
    return Compiled(compiled(frame, html=html), compiled(card, html=html), html, slow)


@dataclass(frozen=True)
class Template:
    """A published version of a template."""

    name: str
    version: int
    html: Compiled
    text: Compiled


def from_document(name: str, version: int, document: dict[str, Any]) -> Template:
    """Compile the stored document; raises BadTemplate naming the part that is wrong."""
    parts: dict[str, Compiled] = {}
    for part in ("html", "text"):
        try:
            parts[part] = compile_part(document[part]["frame"], document[part]["card"], html=part == "html")
        except (KeyError, TypeError) as error:
            raise BadTemplate(f"{part}: frame and card are both needed") from error
        except BadTemplate as error:
            raise BadTemplate(f"{part}: {error}") from error
    return Template(name, version, parts["html"], parts["text"])
