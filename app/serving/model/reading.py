"""How the value of a request parameter becomes a field of the call; what cannot be read is told, and an error with `strict=1`."""

import re
from collections.abc import Iterable

from app.content.formats import FORMATS
from app.serving.model.call import Call

MAX_LIMIT = 50
_LONGEST = 512
_NAMES = 100
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,2}")


def switch(value: str) -> bool:
    """Tell whether a value says yes."""
    return value.lower() in ("1", "true", "yes")


def text(call: Call, name: str, value: str) -> str:
    """Return a text without the space around it, empty when it is too long."""
    value = value.strip()
    if len(value) > _LONGEST:
        call.complain(f"{name}: longer than {_LONGEST} characters")
        return ""
    return value


def _names(call: Call, name: str, value: str) -> tuple[str, ...]:
    kept = tuple(dict.fromkeys(part for part in map(str.strip, value.split(",")) if part and len(part) <= _LONGEST))
    if len(kept) > _NAMES:
        call.complain(f"{name}: more than {_NAMES} values")
    return kept[:_NAMES]


def _choice(call: Call, name: str, value: str, allowed: Iterable[str], default: str) -> str:
    value = value.strip().lower()
    if value and value not in allowed:
        call.complain(f"{name}: must be one of {', '.join(allowed)}")
    return value if value in allowed else default


def plain(call: Call, name: str, value: str) -> None:
    """Read a text into the field of its name."""
    setattr(call, name, text(call, name, value))


def locale(call: Call, name: str, value: str) -> None:
    """Read a locale: prepared items are kept by it, so that a made-up one would only cost memory."""
    value = text(call, name, value)
    if value and not _LOCALE.fullmatch(value):
        call.complain("locale: must look like de or en-GB")
        value = ""
    call.locale = value


def limit(call: Call, name: str, value: str) -> None:
    """Read a number of items."""
    value = value.strip()
    if value.isascii() and value.isdigit() and len(value) < 9 and 1 <= int(value) <= MAX_LIMIT:
        call.limit = int(value)
    elif value:
        call.complain(f"{name}: must be a whole number from 1 to {MAX_LIMIT}")


def items(call: Call, name: str, value: str) -> None:
    """Read the items of a page or cart."""
    call.items = _names(call, name, value)


def exclude(call: Call, name: str, value: str) -> None:
    """Read the items that must not come back."""
    call.exclude = frozenset(_names(call, name, value))


def form(call: Call, name: str, value: str) -> None:
    """Read the name of a format."""
    call.format = FORMATS[_choice(call, name, value, FORMATS, call.format.name)]


def escape(call: Call, name: str, value: str) -> None:
    """Read how texts in JSON are escaped."""
    call.escape = _choice(call, name, value, ("html", "none"), "none") == "html"


def empty(call: Call, name: str, value: str) -> None:
    """Read what stands where there are no items."""
    call.blank = _choice(call, name, value, ("blank", "fallback"), "fallback") == "blank"


def open_pixel(call: Call, name: str, value: str) -> None:
    """Read whether an open pixel is wanted; nothing said leaves it to the placement."""
    if value.strip():
        call.open_pixel = switch(value)


def explain(call: Call, name: str, value: str) -> None:
    """Read whether the answer is to say why."""
    call.explain = switch(value)
