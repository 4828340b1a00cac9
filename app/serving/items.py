"""Items as they are shown: values for templates, and bytes of JSON with holes for what differs from serve to serve."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from app.content.escaping import neutral_text, web_address
from app.content.liquid import shown
from app.content.money import formatted
from app.content.templates.domain import Card
from app.core.errors import ascii_json
from app.data.catalog.domain import ItemRefused, price_at, sale_dates, text_at
from app.serving.snapshot.catalogue import Catalogue

_MOST_SHOWN = 200_000
_DEFAULT_SIZE = 600


@dataclass(slots=True)
class ShownItem:
    """One item in one locale, valid `until` a unix moment (its price may change then).

    `json` and `json_escaped` end before the hole of the link. `cards` are item cards
    already rendered, by template, version and whether HTML.
    """

    values: dict[str, Any]
    target: str
    until: float
    json: str
    json_escaped: str | None = None
    cards: dict[tuple[str, int, bool], Card] = field(default_factory=dict)

    def html_values(self) -> dict[str, Any]:
        """Return values that escape themselves in an HTML template."""
        return {name: shown(value, html=True) if isinstance(value, str) else value for name, value in self.values.items()}

    def text_values(self) -> dict[str, Any]:
        """Return values for a text template."""
        return {name: neutral_text(value) if isinstance(value, str) else value for name, value in self.values.items()}


def show(catalogue: Catalogue, index: int, locale: str, now: float) -> ShownItem:
    """Return an item as it is shown at a unix moment, prepared on first use."""
    known: ShownItem | None = catalogue.shown.get((index, locale))
    if known is not None and now < known.until:
        return known
    if len(catalogue.shown) >= _MOST_SHOWN:
        catalogue.shown.clear()
    made = catalogue.shown[index, locale] = _prepare(catalogue, index, locale)
    return made


def _prepare(catalogue: Catalogue, index: int, locale: str) -> ShownItem:
    document = catalogue.document(index)
    now = datetime.now(UTC)
    price, currency = price_at(document, now, locale)
    values: dict[str, Any] = {
        "item_id": catalogue.item_ids[index],
        "title": text_at(document, "title", locale),
        "image_url": web_address(text_at(document, "image_link", locale)),
        "image_width": _size(document.get("image_width")),
        "image_height": _size(document.get("image_height")),
        "price": float(price) if price is not None else 0,
        "price_formatted": formatted(price, currency, locale or "en"),
        "currency": currency,
        "brand": text_at(document, "brand", locale),
        "category": catalogue.word("category", index),
        "availability": "in_stock" if catalogue.available[index] else "out_of_stock",
    }
    json = ascii_json({name: neutral_text(value) if isinstance(value, str) else value for name, value in values.items()})
    return ShownItem(
        values, web_address(text_at(document, "link", locale)), next_price_change(document, now), json[:-1].decode() + ',"url":"'
    )


def next_price_change(document: dict[str, Any], now: datetime) -> float:
    """Return the unix moment at which a sale of this item next begins or ends; infinity when none does."""
    moments = []
    for part in (document, *(document.get("locales") or {}).values()):
        try:
            moments += [moment.timestamp() for moment in sale_dates(part.get("sale_price_effective_date"))]
        except (ItemRefused, AttributeError):
            continue
    return min((moment for moment in moments if moment > now.timestamp()), default=float("inf"))


def _size(value: Any) -> int:
    try:
        size = int(Decimal(str(value)))
    except (ArithmeticError, ValueError):
        return _DEFAULT_SIZE
    return size if 0 < size <= 10_000 else _DEFAULT_SIZE


def json_escaped(item: ShownItem) -> str:
    """Return the JSON with texts escaped for HTML, made on first use."""
    if item.json_escaped is None:
        safe = {name: str(value.__html__()) if hasattr(value, "__html__") else value for name, value in item.html_values().items()}
        item.json_escaped = ascii_json(safe)[:-1].decode() + ',"url":"'
    return item.json_escaped
