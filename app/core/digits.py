"""JSON with whole numbers of any length: ids of more than 64 bits keep their digits, as texts."""

import json
import re
from typing import Any

import orjson

# 19 digits are the fewest that may not fit into 64 bits; there orjson gives the nearest float, which is another number
_LONG = re.compile(rb"(?<![\w.+\-\"])-?[0-9]{19}").search
_LARGEST = 2**63


def loads(body: bytes) -> Any:
    """Read JSON in UTF-8; a whole number beyond 64 bits becomes the text of its digits. Raises orjson.JSONDecodeError."""
    found = orjson.loads(body)
    if _LONG(body) is None:
        return found
    # orjson has found the text to be valid, and no number longer than 309 digits in it
    return json.loads(body, parse_int=_whole)


def _whole(text: str) -> int | str:
    number = int(text)
    return number if -_LARGEST <= number < _LARGEST else text
