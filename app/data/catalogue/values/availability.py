"""Whether an item can be had, in the words of Google, Meta, schema.org and the shops' own exports; an unknown word is refused."""

import re
from functools import lru_cache
from typing import Any

from app.data.catalogue.values.faults import ItemRefused

_LONGEST = 200
_IN_STOCK = (
    "instock available availablefororder limitedavailability limitedstock lowstock onlineonly instoreonly preorder presale backorder "
    "onbackorder backorderable madetoorder true yes y on"
)
_OUT_OF_STOCK = "outofstock unavailable notavailable notinstock soldout discontinued reserved disabled temporarilyoutofstock false no n off"
_THERE, _GONE = frozenset(_IN_STOCK.split()), frozenset(_OUT_OF_STOCK.split())
_COUNT = re.compile(r"([+-]?)([0-9]{1,12})(?:[.,]([0-9]{1,6}))?")
_WORDS = "availability must be in_stock, out_of_stock, preorder or backorder, a number of pieces, or yes or no"


def available(value: Any) -> bool:
    """Read a word, an address of schema.org, a number of pieces or a truth value; missing means in stock. Raises ItemRefused."""
    if value is None or value == "":
        return True
    if isinstance(value, (bool, int, float)):
        return value > 0
    return _word(value) if isinstance(value, str) and len(value) <= _LONGEST else _word("?")


@lru_cache(maxsize=1_024)
def _word(text: str) -> bool:
    text = text.strip()
    if count := _COUNT.fullmatch(text):
        return count[1] != "-" and any(digit in "123456789" for digit in count[2] + (count[3] or ""))
    word = re.sub(r"[\s_.-]", "", re.split(r"[/#:]", text.rstrip("/"))[-1].lower())
    if word in _THERE:
        return True
    if word in _GONE:
        return False
    raise ItemRefused(_WORDS)
