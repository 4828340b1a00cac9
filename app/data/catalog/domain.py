"""What an item is: reading a document as it was sent, its price at a moment, its texts in a locale. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

LONGEST_ID = 200
DEEPEST = 20
LARGEST_PRICE = Decimal(10) ** 9
TEXT_LIMITS = {"title": 2_000, "description": 50_000, "link": 8_000, "image_link": 8_000, "brand": 500, "category": 2_000}
KIND = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_PRICE_FIELDS = ("price", "sale_price")
_CATEGORY_FIELDS = ("category", "product_type", "google_product_category")
_AVAILABLE = {
    "": True,
    "instock": True,
    "available": True,
    "limitedavailability": True,
    "onlineonly": True,
    "preorder": True,
    "backorder": True,
    "true": True,
    "yes": True,
    "outofstock": False,
    "unavailable": False,
    "soldout": False,
    "discontinued": False,
    "false": False,
    "no": False,
}
_SIGNS = {"£": "GBP", "€": "EUR", "¥": "JPY", "₹": "INR"}
_MONEY = re.compile(r"(?P<before>[A-Za-z]{3}|[£€¥₹])?\s*(?P<number>-?[0-9][0-9.,' \u00a0]*)\s*(?P<after>[A-Za-z]{3}|[£€¥₹])?")


class ItemRefused(ValueError):
    """A document is no item; the text says what to change."""


@dataclass(frozen=True, slots=True)
class Item:
    """A valid item: what the columns hold, and the document as it was sent, as JSON bytes."""

    item_id: str
    group_id: str
    kind: str
    title: str
    category: str
    brand: str
    available: bool
    price: Decimal | None
    currency: str
    document: bytes


def read_item(document: Mapping[str, Any], *, max_bytes: int) -> Item:
    """Check a document and take from it what the columns hold; raises ItemRefused."""
    packed = _packed(document, max_bytes)
    item_id = _id(document, "id")
    if item_id is None:
        raise ItemRefused("id is missing")
    for field, limit in TEXT_LIMITS.items():
        _text(document, field, limit)
    kind = document.get("kind") or "product"
    if not isinstance(kind, str) or not KIND.fullmatch(kind):
        raise ItemRefused("kind must be a lower-case word of up to 40 letters, digits, - or _")
    price, currency = _prices(document)
    _dates(document)
    _locales(document)
    return Item(
        item_id,
        _id(document, "item_group_id") or item_id,
        kind,
        _text(document, "title", TEXT_LIMITS["title"]),
        next((text for field in _CATEGORY_FIELDS if (text := _text(document, field, TEXT_LIMITS["category"]))), ""),
        _text(document, "brand", TEXT_LIMITS["brand"]),
        available(document.get("availability")),
        price,
        currency,
        packed,
    )


def available(value: Any) -> bool:
    """Read Google's and schema.org's words for availability; raises ItemRefused on others."""
    text = str("" if value is None else value).rsplit("/", 1)[-1]
    word = re.sub(r"[^a-z]", "", text.lower())
    if word not in _AVAILABLE:
        raise ItemRefused("availability must be in_stock, out_of_stock, preorder or backorder")
    return _AVAILABLE[word]


def parse_money(value: Any, currency: str = "") -> tuple[Decimal, str]:
    """Read `19.90 GBP`, `GBP 19.90`, `€ 19,90` or a number; returns amount and currency ('' when unknown).

    Raises ItemRefused. A comma before exactly two last digits is a decimal comma, any other separates thousands.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise ItemRefused("a price must be a number or a text such as 19.90 GBP")
    found = _MONEY.fullmatch(str(value).strip()) if isinstance(value, str) else None
    if isinstance(value, str) and found is None:
        raise ItemRefused("a price must be a number or a text such as 19.90 GBP")
    number = _plain_number(found["number"]) if found else str(value)
    try:
        amount = Decimal(number)
    except InvalidOperation:
        raise ItemRefused("a price must be a number or a text such as 19.90 GBP") from None
    if not amount.is_finite() or amount < 0 or amount >= LARGEST_PRICE:
        raise ItemRefused("a price must be 0 or more, and below 1,000,000,000")
    unit = (found["before"] or found["after"] or "") if found else ""
    return amount, _SIGNS.get(unit, unit.upper()) or currency.upper()


def _plain_number(text: str) -> str:
    text = re.sub(r"[' \u00a0]", "", text)
    if re.search(r",[0-9]{2}$", text) and "." not in text[-3:]:
        return text.replace(".", "").replace(",", ".")
    return text.replace(",", "")


def price_at(document: Mapping[str, Any], now: datetime, locale: str = "") -> tuple[Decimal | None, str]:
    """Return amount and currency of a stored document at a moment, for a locale; (None, '') when it has no price.

    A sale price holds within its effective dates, or always when it has none. A locale with a price of its own has only
    its own sale price.
    """
    for part in (*_localised(document, locale), document):
        if part.get("price") in (None, ""):
            continue
        unit = str(part.get("currency") or document.get("currency") or "")
        try:
            amount, currency = parse_money(part["price"], unit)
            if part.get("sale_price") not in (None, "") and _on_sale(part, now):
                amount, currency = parse_money(part["sale_price"], currency)
        except ItemRefused:
            continue
        return amount, currency
    return None, ""


def text_at(document: Mapping[str, Any], field: str, locale: str = "") -> str:
    """Return a text of a stored document in a locale (`de-AT`, else `de`, else as sent); '' when there is none."""
    for part in (*_localised(document, locale), document):
        value = part.get(field)
        if isinstance(value, list):
            value = value[0] if value else None
        if isinstance(value, (str, int, float)) and not isinstance(value, bool) and str(value):
            return str(value)
    return ""


def sale_dates(value: Any) -> tuple[datetime, datetime]:
    """Read `2024-11-28T00:00+0100/2024-12-02T23:59+0100`; raises ItemRefused."""
    first, slash, last = str(value).partition("/")
    try:
        if not slash:
            raise ValueError
        dates = datetime.fromisoformat(first.strip()), datetime.fromisoformat(last.strip())
    except ValueError:
        raise ItemRefused("sale_price_effective_date must be two ISO 8601 dates with a / between") from None
    begin, end = (date if date.tzinfo else date.replace(tzinfo=UTC) for date in dates)
    if end < begin:
        raise ItemRefused("sale_price_effective_date ends before it begins")
    return begin, end


def _on_sale(part: Mapping[str, Any], now: datetime) -> bool:
    value = part.get("sale_price_effective_date")
    if value in (None, ""):
        return True
    begin, end = sale_dates(value)
    return begin <= now <= end


def _localised(document: Mapping[str, Any], locale: str) -> list[Mapping[str, Any]]:
    locales = document.get("locales")
    if not locale or not isinstance(locales, Mapping):
        return []
    wanted = locale.replace("_", "-").lower()
    spelled = {str(name).replace("_", "-").lower(): part for name, part in locales.items() if isinstance(part, Mapping)}
    return [spelled[name] for name in dict.fromkeys((wanted, wanted.partition("-")[0])) if name in spelled]


def _packed(document: Mapping[str, Any], max_bytes: int) -> bytes:
    if _depth(document) > DEEPEST:
        raise ItemRefused(f"nested deeper than {DEEPEST} levels")
    try:
        packed = orjson.dumps(document)
    except TypeError:
        raise ItemRefused("not valid UTF-8, or a value that JSON cannot hold") from None
    if len(packed) > max_bytes:
        raise ItemRefused(f"larger than {max_bytes} bytes")
    if b"\\u0000" in packed and _has_nul(document):
        raise ItemRefused("contains a NUL character")
    return packed


def _depth(value: Any, level: int = 1) -> int:
    if level > DEEPEST:
        return level
    if isinstance(value, Mapping):
        value = list(value.values())
    return max((_depth(part, level + 1) for part in value), default=level) if isinstance(value, list) else level


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(_has_nul(key) or _has_nul(part) for key, part in value.items())
    return isinstance(value, list) and any(_has_nul(part) for part in value)


def _id(document: Mapping[str, Any], field: str) -> str | None:
    value = document.get(field)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ItemRefused(f"{field} must be a text")
    text = str(value).strip()
    if not text:
        return None
    if len(text) > LONGEST_ID:
        raise ItemRefused(f"{field} is longer than {LONGEST_ID} characters")
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise ItemRefused(f"{field} contains a control character")
    return text


def _text(document: Mapping[str, Any], field: str, limit: int) -> str:
    value = document.get(field)
    if isinstance(value, list):
        value = value[0] if value else None
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ItemRefused(f"{field} must be a text")
    text = str(value)
    if len(text) > limit:
        raise ItemRefused(f"{field} is longer than {limit} characters")
    return text


def _prices(document: Mapping[str, Any]) -> tuple[Decimal | None, str]:
    currency = document.get("currency") or ""
    if not isinstance(currency, str) or (currency and not re.fullmatch(r"[A-Za-z]{3}", currency)):
        raise ItemRefused("currency must be a code of three letters")
    found: tuple[Decimal | None, str] = (None, currency.upper())
    for field in _PRICE_FIELDS:
        if document.get(field) in (None, ""):
            continue
        try:
            read = parse_money(document[field], currency)
        except ItemRefused as error:
            raise ItemRefused(f"{field}: {error}") from None
        found = read if field == "price" else found
    return found


def _dates(document: Mapping[str, Any]) -> None:
    if document.get("sale_price_effective_date") not in (None, ""):
        sale_dates(document["sale_price_effective_date"])


def _locales(document: Mapping[str, Any]) -> None:
    locales = document.get("locales")
    if locales is None:
        return
    if not isinstance(locales, Mapping):
        raise ItemRefused("locales must be an object of objects")
    for name, part in locales.items():
        if not re.fullmatch(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*", str(name)) or not isinstance(part, Mapping):
            raise ItemRefused(f"locales: {str(name)[:20]!r} is no locale with an object")
        try:
            for field, limit in TEXT_LIMITS.items():
                _text(part, field, limit)
            _prices({"currency": document.get("currency"), **part})
            _dates(part)
        except ItemRefused as error:
            raise ItemRefused(f"locales.{name}: {error}") from None
