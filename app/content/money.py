"""Prices as people of a locale read them."""

from decimal import Decimal
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.numbers import format_currency


@lru_cache(maxsize=256)
def known_locale(name: str) -> str:
    """Return the locale in Babel's spelling, or English for a name that is not known."""
    try:
        return str(Locale.parse(name.replace("-", "_")))
    except (ValueError, UnknownLocaleError):
        return "en"


@lru_cache(maxsize=16_384)
def formatted(amount: Decimal | None, currency: str, locale: str) -> str:
    """Spell an amount with its currency for a locale; empty when there is no amount."""
    if amount is None:
        return ""
    if not currency:
        return f"{amount:.2f}"
    return format_currency(amount, currency.upper(), locale=known_locale(locale)).replace("\u00a0", " ").replace("\u202f", " ")
