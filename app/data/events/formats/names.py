"""Names of events and what they mean, however a sender spells them. Pure."""

import re
from functools import lru_cache

from app.data.kinds import Kind

# Segment's commerce names, those of its first version, GA4's, and those of Meta's and Shopify's pixels, in lower case with single spaces.
KINDS: dict[str, Kind] = {
    "product list viewed": Kind.IMPRESSION,
    "product impression": Kind.IMPRESSION,
    "product clicked": Kind.CLICK,
    "clicked product": Kind.CLICK,
    "product viewed": Kind.VIEW,
    "viewed product": Kind.VIEW,
    "product added to wishlist": Kind.WISHLIST,
    "added product to wishlist": Kind.WISHLIST,
    "product added": Kind.CART,
    "added product": Kind.CART,
    "wishlist product added to cart": Kind.CART,
    "product reviewed": Kind.RATING,
    "reviewed product": Kind.RATING,
    "product removed": Kind.CART_REMOVE,
    "removed product": Kind.CART_REMOVE,
    # Segment has no name for it; these are what shops use
    "cart cleared": Kind.CART_CLEAR,
    "cart emptied": Kind.CART_CLEAR,
    "cleared cart": Kind.CART_CLEAR,
    "clear cart": Kind.CART_CLEAR,
    "empty cart": Kind.CART_CLEAR,
    "order completed": Kind.PURCHASE,
    "completed order": Kind.PURCHASE,
    "order refunded": Kind.RETURN,
    "refunded order": Kind.RETURN,
    "order returned": Kind.RETURN,
    "product returned": Kind.RETURN,
    "product refunded": Kind.RETURN,
    "order cancelled": Kind.ORDER_CANCEL,
    "order canceled": Kind.ORDER_CANCEL,
    "cancelled order": Kind.ORDER_CANCEL,
    "canceled order": Kind.ORDER_CANCEL,
    # GA4
    "view item list": Kind.IMPRESSION,
    "select item": Kind.CLICK,
    "view item": Kind.VIEW,
    "add to wishlist": Kind.WISHLIST,
    "add to cart": Kind.CART,
    "remove from cart": Kind.CART_REMOVE,
    "purchase": Kind.PURCHASE,
    "refund": Kind.RETURN,
    # Meta, Shopify
    "view content": Kind.VIEW,
    "product added to cart": Kind.CART,
    "product removed from cart": Kind.CART_REMOVE,
    "checkout completed": Kind.PURCHASE,
}
_BETWEEN = re.compile(r"[\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# Told by whoever sends letters, not by a page, even if they name an anonymous id.
_LETTERS = re.compile(r"(e ?mail|sms|push notification)\b")


def words(name: str) -> str:
    """Return a name in lower case with single spaces, whether its words were parted by spaces, dashes, underscores or capitals."""
    return " ".join(_BETWEEN.sub(" ", _CAMEL.sub(" ", name)).split()).lower()


def squeezed(name: str) -> str:
    """Return the letters and digits of a name in lower case: what equal names share however they are spelled."""
    return _BETWEEN.sub("", name).lower()


_SQUEEZED = {squeezed(name): kind for name, kind in KINDS.items()}


def _stems(name: str) -> tuple[str, ...]:
    return tuple(sorted(word[:3] for word in name.split()))


_BY_STEMS = {_stems(name): name for name in reversed(KINDS)}


@lru_cache(maxsize=4096)
def kind_of(name: str) -> Kind | None:
    """Return the kind of a commerce event by its name, whatever its case and separators; None when unknown."""
    return _SQUEEZED.get(squeezed(name))


@lru_cache(maxsize=4096)
def meant(name: str) -> str:
    """Return the known name that an unknown one resembles, empty for none."""
    return _BY_STEMS.get(_stems(words(name)), "")


@lru_cache(maxsize=4096)
def of_a_letter(name: str) -> bool:
    """Tell whether a name speaks of an e-mail, a text message or a notification."""
    return bool(_LETTERS.match(words(name)))
