"""What a template is, and when an item card can be rendered once for all people."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

from liquid.template import BoundTemplate

from app.content.bounds import Clock
from app.content.formats import FORMATS, HTML, TEXT, Format
from app.content.liquid import BadTemplate, compiled, finished, rendered
from app.content.templates.person import Asked, asked, together

# These differ from serve to serve; a card rendered once keeps a hole for each.
HOLES = ("url", "position", "score", "reason")
_HOLE_MARK = {name: f"\ue000{index}\ue001" for index, name in enumerate(HOLES)}
_SPLIT = re.compile("\ue000(\\d)\ue001")
_CARD_SPLIT = re.compile("\ue002(\\d+)\ue003")
_FRAME_READS = {"cards", "item_count", "placement", "locale"}
_NOBODY: Mapping[str, Any] = MappingProxyType({})
_PLAIN_HOLE = re.compile(r"\{\{-?\s*item\.(?:url|position|score|reason)\s*-?\}\}")
_ANY_HOLE = re.compile(r"\bitem\s*(?:\.\s*(?:url|position|score|reason)\b|\[)|\bperson\b")


@dataclass(frozen=True)
class Card:
    """An item card rendered for one item, with holes: `parts[0] hole[0] parts[1] hole[1] ... parts[-1]`, encoded."""

    parts: tuple[bytes, ...]
    holes: tuple[str, ...]
    # most cards hold nothing but their link; these are filled in one step
    only_url: bool = False

    def filled(self, values: dict[str, bytes]) -> bytes:
        """Return the card with its holes filled."""
        pieces = [self.parts[0]]
        for name, part in zip(self.holes, self.parts[1:], strict=True):
            pieces.append(values[name])
            pieces.append(part)
        return b"".join(pieces)


@dataclass(frozen=True)
class Compiled:
    """A frame and an item card of one format, ready to render.

    A `slow` card computes with what differs from serve to serve, or names the person; it is rendered each time. So is a
    frame that reads more than the cards (`plain_frame` False). One that `reads_parts` draws the headings of a block itself.
    `person` is what both name of a person, None for nothing: what is rendered once, and kept for all, is never given it.
    """

    frame: BoundTemplate
    card: BoundTemplate
    form: Format
    slow: bool
    plain_frame: bool
    reads_parts: bool = False
    person: Asked | None = None
    frames: dict[tuple[int, str, str], tuple[bytes, ...] | None] = field(default_factory=dict, compare=False)
    # until when (monotonic seconds) it is put aside, because it took too long
    aside: list[float] = field(default_factory=list, compare=False)

    def card_with_holes(self, item: dict[str, Any], locale: str, clock: Clock | None = None) -> Card:
        """Render the card of one item once; the holes keep their place."""
        text = rendered(self.card, {"item": {**item, **_HOLE_MARK}, "locale": locale}, clock)
        pieces = _SPLIT.split(text)
        holes = tuple(HOLES[int(number)] for number in pieces[1::2])
        return Card(tuple(map(self.form.encode, pieces[0::2])), holes, set(holes) <= {"url"})

    def whole_card(self, item: dict[str, Any], locale: str, clock: Clock | None = None, who: Mapping[str, Any] = _NOBODY) -> str:
        """Render the card of one item with its real values; `who` is the person, where the template names one."""
        return rendered(self.card, {"item": item, "locale": locale, **who}, clock)

    def page(self, cards: list[str], values: dict[str, Any], clock: Clock | None = None) -> str:
        """Render the frame around finished cards, which each of `parts` has from its `first` on, `item_count` of them."""
        shown = [finished(card, self.form) for card in cards]
        parts = [{**one, "cards": shown[one["first"] - 1 :][: one["item_count"]]} for one in values.get("parts", ())]
        return rendered(self.frame, {**values, "cards": shown, "parts": parts}, clock)

    def pieces(self, count: int, placement: str, locale: str) -> tuple[bytes, ...] | None:
        """Return what stands around `count` cards, rendered once; None when the frame does more than place them."""
        key = (count, placement, locale)
        if key not in self.frames:
            if len(self.frames) >= 2_000:
                self.frames.clear()
            self.frames[key] = self._around(*key) if self.plain_frame else None
        return self.frames[key]

    def _around(self, count: int, placement: str, locale: str) -> tuple[bytes, ...] | None:
        marks = [f"\ue002{place}\ue003" for place in range(count)]
        found = _CARD_SPLIT.split(self.page(marks, {"item_count": count, "placement": placement, "locale": locale}))
        in_order = found[1::2] == [str(place) for place in range(count)]
        return tuple(map(self.form.encode, found[0::2])) if in_order else None


def compile_part(frame: str, card: str, form: Format) -> Compiled:
    """Compile a frame and a card; raises BadTemplate."""
    slow = bool(_ANY_HOLE.search(_PLAIN_HOLE.sub("", card)))
    around, inner = compiled(frame, form), compiled(card, form)
    in_card, reads = asked(inner, card), set(around.analyze().globals)
    slow, person = slow or in_card is not None, together(asked(around, frame), in_card)
    return Compiled(around, inner, form, slow, reads <= _FRAME_READS, "parts" in reads, person)


@dataclass(frozen=True)
class Template:
    """A published version of a template: a part for each format that it has, by the format's name."""

    name: str
    version: int
    parts: dict[str, Compiled]


def from_document(name: str, version: int, document: dict[str, Any]) -> Template:
    """Compile the stored document; raises BadTemplate naming the part that is wrong."""
    parts: dict[str, Compiled] = {}
    for form in FORMATS.values():
        if form.name not in document and form not in _NEEDED:
            continue
        try:
            part = document[form.name]
            parts[form.name] = compile_part(part["frame"], part["card"], form)
        except (KeyError, TypeError) as error:
            raise BadTemplate(f"{form.name}: frame and card are both needed") from error
        except BadTemplate as error:
            raise BadTemplate(f"{form.name}: {error}") from error
    return Template(name, version, parts)


# Every template has these; a part of any other format stands in the plain one's place.
_NEEDED = (HTML, TEXT)


@cache
def plain(form: Format) -> Template:
    """Return what is shown in a format where a shop's own templates do not do: for HTML and text the grid that every shop begins with."""
    return Template("", 0, {form.name: compile_part(form.frame, form.card, form)})
