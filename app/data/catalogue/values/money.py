"""Money as shops write it: amount and currency of a text or a number; what can be read in two ways is told, never guessed."""

import re
import unicodedata
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple

from app.data.catalogue.values import currencies
from app.data.catalogue.values.faults import ItemRefused

LARGEST_PRICE = Decimal(10) ** 10
_LONGEST = 60
_SHAPE = "a price must be a number or a text such as 19.90 GBP"
_BOUNDS = "a price must be 0 or more, and below 10,000,000,000"
# `129,-` and `129.—` are round amounts
_TEXT = re.compile(r"(?P<before>[^0-9]*?)(?P<number>[.,]?[0-9](?:[0-9.,' ]*[0-9])?)(?:[.,](?:[-\u2013\u2014=]{1,2})?)?(?P<after>[^0-9]*)")
_MARKS: dict[int, str] = {ord(char): "'" for char in "\u2019\u2018\u02bc`\u00b4\u066c"}
_MARKS |= {ord(char): " " for char in "\u00a0\u2007\u2009\u202f\t"} | {0x066B: ".", 0x060C: ",", 0x2212: "-"}
_MARKS |= dict.fromkeys((*range(0x200B, 0x2010), *range(0x202A, 0x202F), 0xFEFF), "")
_SPACED = re.compile(r"[0-9]{1,3}(?:(?: [0-9]{3})+|(?:'[0-9]{3})+)(?:[.,][0-9]+)?")
_GROUPED = {
    ",": re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}"),
    ".": re.compile(r"[0-9]{1,3}(?:\.[0-9]{3})+"),
}


class Money(NamedTuple):
    """An amount and its currency, '' when that is not known; `sign` is what was written instead where it may mean several."""

    amount: Decimal
    currency: str
    sign: str = ""


def read_money(value: Any, currency: str = "", decimal: str = "") -> Money:
    """Read `19.90 GBP`, `GBP 19.90`, `€ 1.299,00`, `$1,299.00`, `129,- EUR` or a number; raises ItemRefused.

    `currency` counts where the text names none, and says which dollar a `$` is. `decimal` (`.` or `,`) is the mark before the
    cents, for texts that can be read in two ways: without it `1.299 EUR` is refused. docs/catalogue.md has the rules.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise ItemRefused(_SHAPE)
    currency = currency.upper()
    if not isinstance(value, str):
        return Money(_bounded(value), currency)
    if len(value) > _LONGEST:
        raise ItemRefused(_SHAPE)
    return _read_text(value, currency, decimal)


# a shop has few different prices beside its items
@lru_cache(maxsize=16_384)
def _read_text(value: str, currency: str, decimal: str) -> Money:
    text = value.strip().translate(_MARKS)
    found = _TEXT.fullmatch(_digits(text))
    if found is None:
        raise ItemRefused(_SHAPE)
    before, number, after = found["before"], found["number"], found["after"]
    if number[0] in ".," and before and not before.isspace() and before.rstrip() == before and unicodedata.category(before[-1]) != "Sc":
        # the point of `Rs.500` belongs to the sign
        number = number[1:]
    if "-" in before or "-" in after:
        raise ItemRefused(_BOUNDS if "-" in before else _SHAPE)
    unit, sign = _unit(before, after, currency)
    return Money(_bounded(Decimal(_plain(number, unit, decimal))), unit, sign)


def parse_money(value: Any, currency: str = "") -> tuple[Decimal, str]:
    """Return amount and currency ('' when not known) of a price; raises ItemRefused."""
    return read_money(value, currency)[:2]


def _bounded(value: int | float | Decimal) -> Decimal:
    if isinstance(value, int) and not -1 < value < LARGEST_PRICE:
        raise ItemRefused(_BOUNDS)
    try:
        amount = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        raise ItemRefused(_SHAPE) from None
    # an exponent is looked at before anything is computed with it
    if not amount.is_finite() or (amount.is_signed() and amount != 0) or amount.adjusted() > 12 or amount >= LARGEST_PRICE:
        raise ItemRefused(_BOUNDS)
    return amount if amount.adjusted() > -12 else Decimal(0)


def _digits(text: str) -> str:
    """Write digits of every script in ours."""
    if text.isascii():
        return text
    return "".join(str(number) if (number := unicodedata.decimal(char, None)) is not None else char for char in text)


def _unit(before: str, after: str, currency: str) -> tuple[str, str]:
    """Return the currency that stands before or after an amount, and the sign where it may mean several."""
    signs = [sign for sign in (currencies.sign(before), currencies.sign(after)) if sign]
    meant: set[str] | None = None
    for sign in signs:
        codes = _codes(sign)
        if not codes:
            raise ItemRefused(f"{sign[:20]!r} is no currency")
        meant = codes if meant is None else meant & codes
    if meant is None:
        return currency, ""
    if not meant:
        raise ItemRefused(f"{' and '.join(signs)} are two currencies")
    if len(meant) == 1:
        return next(iter(meant)), ""
    return (currency, "") if currency in meant else ("", signs[0])


def _codes(sign: str) -> set[str]:
    if currencies.is_code(sign.upper()):
        return {sign.upper()}
    known = currencies.signified(sign)
    if known:
        return set(known)
    for code, rest in ((sign[:3], sign[3:]), (sign[-3:], sign[:-3])):
        # `USD $` and `€ EUR`
        if code.upper() in currencies.signified(rest):
            return {code.upper()}
    return set()


def _plain(text: str, currency: str, decimal: str) -> str:
    """Return a number with a point before the decimals and nothing between the thousands."""
    if " " in text or "'" in text:
        if not _SPACED.fullmatch(text):
            raise ItemRefused(_SHAPE)
        return re.sub("[ ']", "", text).replace(",", ".")
    marks = {mark for mark in ".," if mark in text}
    if not marks:
        return text
    last = max(marks, key=text.rfind)
    whole, part = text.rsplit(last, 1)
    if len(marks) == 2:
        other = "," if last == "." else "."
        if not _GROUPED[other].fullmatch(whole):
            raise ItemRefused(_SHAPE)
        return f"{whole.replace(other, '')}.{part}"
    if text.count(last) > 1:
        if not _GROUPED[last].fullmatch(text):
            raise ItemRefused(_SHAPE)
        return text.replace(last, "")
    if len(part) == 3 and _thousands(whole, last, currency, decimal):
        return whole + part
    return f"{whole or '0'}.{part}"


def _thousands(whole: str, mark: str, currency: str, decimal: str) -> bool:
    """Tell whether the one mark before three last digits separates thousands; raises ItemRefused where both can be meant."""
    if not 1 <= len(whole) <= 3 or whole.startswith("0"):
        return False
    if decimal:
        return mark != decimal
    places = currencies.decimals(currency) if currency else 2
    if places == 0 or (mark == "," and places == 2 and currencies.only_point(currency)):
        return True
    if places == 3 and mark == ".":
        return False
    # a file of prices as floats says 12.495 for twelve and a half, a shop without cents 1.299 for thirteen hundred
    raise ItemRefused("a mark before three last digits, as in 1.299, can stand before cents or thousands: write 1299.00 or 1.30")
