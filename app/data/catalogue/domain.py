"""What an item is: reading a document as it was sent into what the columns hold. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import orjson

from app.data.catalogue.values.availability import available
from app.data.catalogue.values.faults import ItemRefused as ItemRefused
from app.data.catalogue.values.pricing import Pricing, moment, pricing
from app.data.catalogue.values.texts import decoded

LONGEST_ID = 200
DEEPEST = 20
NOT_JSON = "not valid UTF-8, or a value that JSON cannot hold"
TEXT_LIMITS = {"title": 2_000, "description": 50_000, "link": 8_000, "image_link": 8_000, "brand": 500, "category": 2_000}
# every field that is read; others are kept, and one that is spelled almost like one of these is told
FIELDS = (
    "id", "item_group_id", "kind", "title", "description", "link", "image_link", "image_width", "image_height", "brand", "category",
    "product_type", "google_product_category", "price", "sale_price", "currency", "sale_price_effective_date", "availability",
    "expiration_date", "locales",
)  # fmt: skip
KIND = re.compile(r"[a-z][a-z0-9_-]{0,39}")
LARGEST_SIDE = 10_000
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ADDRESSES = ("link", "image_link")
_CATEGORY_FIELDS = ("product_type", "google_product_category")
_SIDES = ("image_width", "image_height")
_SIDE = re.compile(r"([0-9]{1,5})(?:\.[0-9]{1,6})?(?:px)?")
_MANGLED = re.compile(r'[0-9](?:[.,][0-9]+)?[eE]\+[0-9]{1,3}|="[^"]*"')


@dataclass(frozen=True, slots=True)
class Item:
    """A valid item: what the columns hold, and the document as it was sent, as JSON bytes; `notes` say what was left out of it."""

    item_id: str
    group_id: str
    kind: str
    title: str
    category: str
    brand: str
    available: bool
    price: Decimal | None
    currency: str
    sale_price: Decimal | None
    sale_from: datetime | None
    sale_until: datetime | None
    expires_at: datetime | None
    document: bytes
    notes: tuple[str, ...] = ()


def read_item(document: Mapping[str, Any], *, max_bytes: int) -> Item:
    """Check a document and take from it what the columns hold; raises ItemRefused."""
    notes: list[str] = []
    document, packed = _fitting(document, max_bytes, notes)
    item_id = _id(document, "id")
    if item_id is None:
        raise ItemRefused("id is missing")
    texts = {field: _text(document, field, limit) for field, limit in TEXT_LIMITS.items()}
    kind = document.get("kind") or "product"
    if not isinstance(kind, str) or not KIND.fullmatch(kind):
        raise ItemRefused("kind must be a lower-case word of up to 40 letters, digits, - or _")
    notes += _odd(document, item_id, texts)
    notes += [f"{name}: is no field; is {field} meant?" for name in document if (field := misspelt(name)) and field not in document]
    priced = _priced(document, notes)
    _locales(document)
    return Item(
        item_id,
        _id(document, "item_group_id") or item_id,
        kind,
        texts["title"],
        texts["category"] or next((text for field in _CATEGORY_FIELDS if (text := _text(document, field, TEXT_LIMITS["category"]))), ""),
        texts["brand"],
        available(document.get("availability")),
        priced.price if priced else None,
        priced.currency if priced else str(document.get("currency") or "").upper(),
        priced.sale if priced else None,
        priced.begins if priced else None,
        priced.ends if priced else None,
        _expires(document, notes),
        packed,
        tuple(notes),
    )


@lru_cache(4096)
def misspelt(name: str) -> str:
    """Return the field that a name is a misspelling of by one letter; empty for a field, and for a name that is like none."""
    if name in FIELDS or not 4 <= len(name) <= 40:
        return ""
    # both without one letter: what is left out, added, changed, or two that changed places
    return next((_NEAR[part] for part in (name, *_shorter(name)) if part in _NEAR), "")


def _shorter(word: str) -> list[str]:
    return [word[:place] + word[place + 1 :] for place in range(len(word))]


_NEAR = {part: field for field in FIELDS if len(field) > 3 for part in (field, *(_shorter(field) if len(field) > 4 else ()))}


def side(value: Any) -> int | None:
    """Return the width or height of a picture in pixels; None for anything that is not 1 to 10,000."""
    if isinstance(value, bool):
        return None
    found = _SIDE.fullmatch(str(value)) if isinstance(value, (float, str)) and len(str(value)) <= 20 else None
    size = value if isinstance(value, int) else int(found[1]) if found else 0
    return size if 0 < size <= LARGEST_SIDE else None


def _fitting(document: Mapping[str, Any], max_bytes: int, notes: list[str]) -> tuple[Mapping[str, Any], bytes]:
    """Return a document and its bytes, with a description that is too long cut."""
    described, limit = document.get("description"), TEXT_LIMITS["description"]
    if not isinstance(described, str) or (len(described) <= limit and len(described) * 6 < max_bytes):
        return document, _packed(document, max_bytes)
    for _ in range(4):
        document = {**document, "description": described[:limit]}
        spare = max_bytes - len(_packed(document, max_bytes * 8 + 6 * limit))
        if spare >= 0 or not limit:
            break
        # a character takes one byte or some: what is too much is taken off by their average
        limit = max(0, int(len(described[:limit]) * (1 + spare / max(1, len(orjson.dumps(described[:limit]))))) - 10)
    if len(described) > limit:
        notes.append("description was cut: it is too long")
    return document, _packed(document, max_bytes)


def _packed(document: Mapping[str, Any], max_bytes: int) -> bytes:
    if _depth(document) > DEEPEST:
        raise ItemRefused(f"nested deeper than {DEEPEST} levels")
    try:
        packed = orjson.dumps(document)
    except TypeError:
        raise ItemRefused(NOT_JSON) from None
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
    if isinstance(value, list) and not any(isinstance(part, (dict, list)) for part in value):
        return level + 1 if value else level
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
    if _CONTROL.search(text):
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
    return text if field in _ADDRESSES else decoded(text)


def _priced(document: Mapping[str, Any], notes: list[str]) -> Pricing | None:
    currency = document.get("currency") or ""
    if not isinstance(currency, str) or (currency and not re.fullmatch(r"[A-Za-z]{3}", currency)):
        raise ItemRefused("currency must be a code of three letters")
    try:
        found = pricing(document, currency)
    except ItemRefused as error:
        raise ItemRefused(f"price: {error}") from None
    if found is not None:
        notes += found.notes
    elif document.get("sale_price") not in (None, ""):
        notes.append("sale_price was left out: there is no price beside it")
    return found


def _expires(document: Mapping[str, Any], notes: list[str]) -> datetime | None:
    value = document.get("expiration_date")
    if value in (None, ""):
        return None
    try:
        return moment(value, last=True)
    except ItemRefused as error:
        notes.append(f"expiration_date was left out: it {error}")
        return None


def _odd(document: Mapping[str, Any], item_id: str, texts: Mapping[str, str]) -> list[str]:
    """Tell what lands but will not show, or not as it was meant."""
    notes = [] if texts["title"] else ["title is missing: it is shown without one"]
    if _MANGLED.fullmatch(item_id):
        notes.append('the id looks like one that a spreadsheet has changed (1.23E+11 or ="0042"): export it as text')
    for field in _ADDRESSES:
        address = texts[field]
        if address and not address.strip().lower().startswith(("http://", "https://")):
            notes.append(f"{field} is no whole address (https://...): it is shown without")
    for field in _SIDES:
        if document.get(field) not in (None, "") and side(document[field]) is None:
            notes.append(f"{field} was left out: it must be a number of pixels up to {LARGEST_SIDE}")
    return notes


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
            _priced({"currency": document.get("currency"), **part}, [])
        except ItemRefused as error:
            raise ItemRefused(f"locales.{name}: {error}") from None
