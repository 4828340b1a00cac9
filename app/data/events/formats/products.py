"""The products of a message, in every shape that encoders make of a list of them. Pure."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from app.data.events.domain import Flaw
from app.data.events.formats.amounts import NoAmount, read
from app.data.kinds import Kind

LONGEST_TEXT = 200
# Where lists of products stand: Segment's name, GA4's, Meta's and Shopify's.
_LISTS = ("products", "items", "contents", "line_items", "lineItems", "content_ids", "product")
_IDS = (
    "product_id", "productId", "item_id", "itemId", "id", "sku",
    "variant_id", "variantId", "variant", "item_variant", "product_sku", "item_group_id",
)  # fmt: skip
_ORDER_IDS = ("order_id", "orderId", "transaction_id", "transactionId")
_PIECES = ("quantity", "qty")
_PRICES = ("price", "item_price", "unit_price", "unitPrice", "value")
_RATINGS, _SCALES = ("rating",), ("rating_scale", "max_rating", "rating_max", "best_rating", "bestRating")
_KIND_RATING, _LARGEST_EXACT = Kind.RATING, 2.0**53
# Most messages have few fields: one look tells that none of a kind is among them.
_ANY_LIST, _ANY_ORDER, _OTHER_IDS = frozenset((*_LISTS, "ecommerce")), frozenset(_ORDER_IDS), frozenset(_IDS) - {"product_id"}
_SETS: dict[tuple[str, ...], frozenset[str]] = {fields: frozenset(fields) for fields in (_PIECES, _PRICES, _RATINGS, _SCALES)}
# Of these a text is ids, too.
_BARE = frozenset({"products", "content_ids"})


class Line(NamedTuple):
    """A product: its ids, the likeliest first, quantity (or rating, and the best rating of its scale, 0 for unknown) and price of one."""

    ids: tuple[str, ...]
    quantity: float | None
    price: float | None
    best: float = 0.0


def lines(properties: dict[str, Any], kind: Kind, flaws: list[Flaw]) -> list[Line]:
    """Return the products of a message, one line at least; what cannot be read is left out and noted in `flaws`."""
    listed = None if _ANY_LIST.isdisjoint(properties) else _listed(properties)
    if not listed:
        ids = properties.get("product_id")
        if not isinstance(ids, (list, dict)) or not ids:
            return [_line(properties, kind, flaws)]
        listed = ids
    found = [_line(product, kind, flaws) for product in _each(listed, flaws)]
    if any(line.ids for line in found):
        return found
    own = _line(properties, kind, flaws)
    return [own] if own.ids or not found else found


def order_id(properties: dict[str, Any], flaws: list[Flaw]) -> str | None:
    """Return the id of an order."""
    return None if _ANY_ORDER.isdisjoint(properties) else next(_texts(properties, _ORDER_IDS, flaws), None)


def currency(properties: dict[str, Any]) -> str:
    """Return the currency of a message's amounts by its three letters, empty for none."""
    given = properties.get("currency")
    return given.upper() if isinstance(given, str) and len(given) == 3 and given.isascii() and given.isalpha() else ""


def _listed(properties: dict[str, Any]) -> Any:
    """Return what stands where products are listed, empty lists passed over; None without."""
    for field in _LISTS:
        given = properties.get(field)
        if given and (isinstance(given, (list, dict)) or (isinstance(given, str) and _lists(field, given))):
            return given
    shop = properties.get("ecommerce")
    return _listed({**shop, "ecommerce": None}) if isinstance(shop, dict) else None


def _lists(field: str, text: str) -> bool:
    # `items: 3` and `product: "Cup"` are no lists
    return field in _BARE or text.lstrip()[:1] in ("[", "{")


def _each(given: Any, flaws: list[Flaw], depth: int = 0) -> Iterator[dict[str, Any]]:
    """Give each product as an object, from lists, objects keyed by place or id, JSON inside texts, and bare ids."""
    if isinstance(given, dict):
        if any(field in given for field in _IDS) or not all(isinstance(value, dict) for value in given.values()):
            yield given
            return
        places = all(key.isdigit() and int(key) <= len(given) for key in given if len(key) < 9) and all(len(key) < 9 for key in given)
        for key, value in given.items():
            yield value if places or any(field in value for field in _IDS) else {"product_id": key, **value}
    elif isinstance(given, list) and depth < 3:
        for one in given:
            yield from _each(one, flaws, depth + 1)
    elif isinstance(given, str) and given.strip()[:1] in ("[", "{") and depth < 3:
        try:
            read_ = orjson.loads(given)
        except orjson.JSONDecodeError:
            flaws.append(Flaw("products", "products: a text that is no valid JSON was left out"))
            return
        yield from _each(read_, flaws, depth + 1)
    elif isinstance(given, str) and given.strip():
        yield from ({"product_id": one} for one in given.split(",") if one.strip())
    elif isinstance(given, (int, float)) and not isinstance(given, bool):
        yield {"product_id": given}
    else:
        flaws.append(Flaw("products", "products: an entry that is no product was left out"))


def _line(product: dict[str, Any], kind: Kind, flaws: list[Flaw]) -> Line:
    ids: tuple[str, ...]
    main = product.get("product_id")
    if type(main) is str and 0 < len(main) <= LONGEST_TEXT and _OTHER_IDS.isdisjoint(product) and main.isalnum():
        ids = (main,)
    else:
        ids = tuple(dict.fromkeys(_texts(product, _IDS, flaws)))
    price = _amount(product, _PRICES, flaws)
    if kind is not _KIND_RATING:
        return Line(ids, _amount(product, _PIECES, flaws), price)
    quantity, best = _rating(product, flaws)
    return Line(ids, quantity, price, best)


def _rating(product: dict[str, Any], flaws: list[Flaw]) -> tuple[float | None, float]:
    """Return a rating and the best of its scale, 0 where it is not told: `4/5` tells it, too."""
    given = product.get("rating")
    if isinstance(given, str) and "/" in given:
        given, _, best = given.partition("/")
        return _amount({"rating": given}, _RATINGS, flaws), _amount({"rating": best}, _RATINGS, flaws) or 0.0
    return _amount(product, _RATINGS, flaws), _amount(product, _SCALES, flaws) or 0.0


def _texts(values: dict[str, Any], fields: tuple[str, ...], flaws: list[Flaw]) -> Iterator[str]:
    """Give the ids that stand under fields; numbers count as their digits, also where an encoder made 18499.0 of 18499."""
    for field in fields:
        value = values.get(field)
        if value is None:
            continue
        if type(value) is not str:
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                continue
            if isinstance(value, float):
                if not value.is_integer() or abs(value) > _LARGEST_EXACT:
                    flaws.append(Flaw("id", f"{field}: {value!r} is no id; send it as a text"))
                    continue
                value = int(value)
            value = str(value)
        text = value.strip()
        if not text:
            continue
        if "\0" in text or len(text) > LONGEST_TEXT:
            flaws.append(Flaw("id", f"{field}: longer than {LONGEST_TEXT} characters, or with a NUL character; it was left out"))
            continue
        yield text


def _amount(values: dict[str, Any], fields: tuple[str, ...], flaws: list[Flaw]) -> float | None:
    if _SETS[fields].isdisjoint(values):
        return None
    for field in fields:
        given = values.get(field)
        if given is None or given is True or given is False:
            continue
        try:
            number = read(given)
        except NoAmount as fault:
            flaws.append(Flaw("amount", f"{field}: {fault}; it was left out"))
            continue
        if number is not None:
            return number
    return None
