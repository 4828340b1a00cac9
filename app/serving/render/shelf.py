"""Items as they are shown: values for templates, and bytes of JSON with holes for what differs from serve to serve."""

# long: what an item looks like, as values and as bytes, must agree

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.content.escaping import neutral_html, neutral_text, web_address
from app.content.money import formatted
from app.content.templates.domain import Card
from app.core.errors import ascii_json
from app.data.catalogue.domain import side
from app.data.catalogue.values.pricing import next_change, price_at
from app.data.catalogue.values.texts import address_at, text_at
from app.serving.snapshot.catalogue import Catalogue

_MOST_LOCALES = 16
_MOST_TEMPLATES = 32
# some 40 MB of fronts; where another locale is asked for and there are more already, all begin anew
_MOST_FRONTS = 100_000
_MOST_WHOLE, _MOST_CARDS = 2_000, 12_000
_DEFAULT_SIZE = 600
_SET_BACK_S = 5.0
CardKey = tuple[str, int, str]


@dataclass(slots=True)
class ShownItem:
    """One item in one locale, valid `until` a unix moment (its price may change then); `json` ends before the hole of the link."""

    values: dict[str, Any]
    target: str
    until: float
    json: str
    json_escaped: str | None = None


class Shelf:
    """All items of a catalogue as one locale shows them, prepared on first use, by their index.

    `fronts` is the JSON of each item before the hole of its link ("" before it was prepared), `unlinked` the prepared ones without
    a page. `until` is the unix moment of the next change of a price among the prepared. Fronts are kept for all items; of values
    and of rendered cards, which take more, only so many as fit beside a catalogue of 100,000.
    """

    def __init__(self, catalogue: Catalogue, locale: str) -> None:
        self._catalogue = catalogue
        self._locale = locale
        self._items: dict[int, ShownItem] = {}
        self._cards: dict[CardKey, list[Card | None]] = {}
        self._asked = 0
        self.prepared = 0
        self.fronts: list[str] = [""] * len(catalogue)
        self.unlinked: set[int] = set()
        self.until = float("inf")
        self.latest = float("-inf")

    def item(self, index: int) -> ShownItem:
        """Return an item; whoever renders a card of it asks here first."""
        self._asked += 1
        if self._asked > _MOST_CARDS:
            self._asked = 0
            for cards in self._cards.values():
                cards[:] = [None] * len(cards)
        item = self._items.get(index)
        if item is None:
            if len(self._items) >= _MOST_WHOLE:
                self._items.clear()
            item = self._items[index] = _prepare(self._catalogue, index, self._locale)
            if not self.fronts[index]:
                self.prepared += 1
            self.fronts[index] = item.json
            self.until = min(self.until, item.until)
            if not item.target:
                self.unlinked.add(index)
        return item

    def cards(self, key: CardKey) -> list[Card | None]:
        """Return the item cards of a template (name, version, format) that were rendered already, None for the others."""
        cards = self._cards.get(key)
        if cards is None:
            if len(self._cards) >= _MOST_TEMPLATES:
                self._cards.clear()
            cards = self._cards[key] = [None] * len(self._catalogue)
        return cards


def shelf(catalogue: Catalogue, locale: str, now: float) -> Shelf:
    """Return the items as a locale shows them at a unix moment."""
    known: Shelf | None = catalogue.shelves.get(locale)
    # also a clock that was ahead for a while must not leave the prices of tomorrow
    if known is not None and known.latest - _SET_BACK_S <= now < known.until:
        known.latest = now
        return known
    if len(catalogue.shelves) >= _MOST_LOCALES or sum(one.prepared for one in catalogue.shelves.values()) > _MOST_FRONTS:
        catalogue.shelves.clear()
    made = catalogue.shelves[locale] = Shelf(catalogue, locale)
    return made


def show(catalogue: Catalogue, index: int, locale: str, now: float) -> ShownItem:
    """Return an item as it is shown at a unix moment."""
    return shelf(catalogue, locale, now).item(index)


def _prepare(catalogue: Catalogue, index: int, locale: str) -> ShownItem:
    document = catalogue.document(index)
    now = datetime.now(UTC)
    price, currency = price_at(document, now, locale)
    values: dict[str, Any] = {
        "item_id": catalogue.item_ids[index],
        "title": text_at(document, "title", locale),
        "image_url": web_address(address_at(document, "image_link", locale)),
        "image_width": side(document.get("image_width")) or _DEFAULT_SIZE,
        "image_height": side(document.get("image_height")) or _DEFAULT_SIZE,
        "price": float(price) if price is not None else 0,
        "price_formatted": formatted(price, currency, locale or "en"),
        "currency": currency,
        "brand": text_at(document, "brand", locale),
        "category": catalogue.word("category", index),
        "availability": "in_stock" if catalogue.available[index] else "out_of_stock",
    }
    json = ascii_json({name: neutral_text(value) if isinstance(value, str) else value for name, value in values.items()})
    return ShownItem(values, web_address(address_at(document, "link", locale)), next_change(document, now), json[:-1].decode() + ',"url":"')


def json_escaped(item: ShownItem) -> str:
    """Return the JSON with texts escaped for HTML, made on first use."""
    if item.json_escaped is None:
        safe = {name: neutral_html(value) if isinstance(value, str) else value for name, value in item.values.items()}
        item.json_escaped = ascii_json(safe)[:-1].decode() + ',"url":"'
    return item.json_escaped
