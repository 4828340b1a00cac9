"""Texts of an item in a locale, decoded to the end: what a feed escaped twice reads as it was meant."""

import html
import re
from collections.abc import Mapping
from typing import Any

_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ROUNDS = 3


def decoded(text: str) -> str:
    """Return a text without character references, however often it was escaped (up to three times)."""
    for _ in range(_ROUNDS):
        if "&" not in text:
            break
        found = _ENTITY.sub(lambda one: html.unescape(one.group()), text)
        if found == text:
            break
        text = found
    return text


def parts_at(document: Mapping[str, Any], locale: str) -> list[Mapping[str, Any]]:
    """Return where a locale's values stand, the best first: `de-AT`, else `de`, else the item itself."""
    locales = document.get("locales")
    if not locale or not isinstance(locales, Mapping):
        return [document]
    wanted = locale.replace("_", "-").lower()
    spelled = {str(name).replace("_", "-").lower(): part for name, part in locales.items() if isinstance(part, Mapping)}
    return [*(spelled[name] for name in dict.fromkeys((wanted, wanted.partition("-")[0])) if name in spelled), document]


def text_at(document: Mapping[str, Any], field: str, locale: str = "") -> str:
    """Return a text of a stored document in a locale; '' when there is none."""
    return decoded(_sent(document, field, locale))


def address_at(document: Mapping[str, Any], field: str, locale: str = "") -> str:
    """Return an address of a stored document in a locale, with `&amp;` read as `&`; '' when there is none."""
    return _sent(document, field, locale).replace("&amp;", "&")


def _sent(document: Mapping[str, Any], field: str, locale: str) -> str:
    for part in parts_at(document, locale):
        value = part.get(field)
        if isinstance(value, list):
            value = value[0] if value else None
        if isinstance(value, (str, int, float)) and not isinstance(value, bool) and str(value):
            return str(value)
    return ""
