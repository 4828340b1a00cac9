"""Numbers as shops write them: decimal points and commas, groups of thousands, currencies around. Pure."""

import math
import re

LARGEST_AMOUNT = 1e9
LONGEST_NUMBER = 64

# A currency before or after: its sign, or letters such as EUR, US$ or zł. What is left must be a number by itself.
_AROUND = re.compile(r"(?:[A-Za-z]{0,3}\s*[\u0024\u00a2-\u00a5\u20a0-\u20cf]|[A-Za-z]{2,3}\.?|z\u0142|K\u010d)")
_SPACES = re.compile(r"[\s'\u2019\u00a0\u202f\u2009]")
_SHAPE = re.compile(r"([+-]?)(\d[\d.,]*|[.,]\d+)(?:,-|\.-)?")
# also India's groups of two
_GROUPED = re.compile(r"\d{1,3}([.,])(?:\d{2,3}\1)*\d{3}")


class NoAmount(ValueError):
    """A text is no amount, or may be two; the text says which."""


def read(given: object, decimal: str = "") -> float | None:
    """Return a number that was sent as a number or a text; None for nothing at all.

    `decimal` is the sender's decimal sign, where known: `1,299` is refused without. Raises NoAmount.
    """
    if type(given) is float or type(given) is int:
        if -LARGEST_AMOUNT <= given <= LARGEST_AMOUNT:
            return float(given)
        raise NoAmount("is out of range")
    if given is None or given == "":
        return None
    if not isinstance(given, str):
        raise NoAmount("is not a number")
    text = given.strip()
    if not text:
        return None
    number = _plain(text) if decimal != "," else None
    if number is None:
        number = written(text, decimal)
    if not math.isfinite(number) or abs(number) > LARGEST_AMOUNT:
        raise NoAmount("is out of range")
    return number


def _plain(text: str) -> float | None:
    # float() also reads 1_000
    if len(text) > LONGEST_NUMBER or "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def written(text: str, decimal: str) -> float:
    """Read an amount with its currency, groups and decimal sign; raises NoAmount."""
    if len(text) > LONGEST_NUMBER:
        raise NoAmount("is not a number")
    bare = _SPACES.sub("", _AROUND.sub("", text, count=2))
    negative = bare.startswith("(") and bare.endswith(")")
    shape = _SHAPE.fullmatch(bare.strip("()") if negative else bare)
    if shape is None:
        raise NoAmount("is not a number")
    number = float(_pointed(shape[2], decimal, text))
    return -number if negative or shape[1] == "-" else number


def _pointed(digits: str, decimal: str, text: str) -> str:
    """Write digits with a decimal point and without groups; raises NoAmount where a sign may be either."""
    points, commas = digits.count("."), digits.count(",")
    if decimal:
        group = "," if decimal == "." else "."
        whole, _, part = digits.partition(decimal)
        grouped = _GROUPED.fullmatch(whole)
        if group in part or decimal in part or (group in whole and (grouped is None or grouped[1] != group)):
            raise NoAmount("is not a number")
        return f"{whole.replace(group, '')}.{part or 0}"
    if points and commas:
        # the last of the two kinds is the decimal sign
        return _pointed(digits, "." if digits.rfind(".") > digits.rfind(",") else ",", text)
    if points + commas > 1:
        return _pointed(digits, "," if points else ".", text)
    sign = "." if points else ","
    whole, _, part = digits.partition(sign)
    if sign == "," and len(part) == 3 and 0 < len(whole) <= 3 and whole != "0":
        raise NoAmount(f'"{text}" may be {whole}.{part} or {whole}{part}')
    return f"{whole or 0}.{part or 0}"
