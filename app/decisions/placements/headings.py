"""Headings of the parts of a block: text with a few variables, which the seed of a part fills."""

import re
from collections.abc import Mapping

from app.decisions.placements.domain import BlockPart

_VARIABLE = re.compile(r"\{\{-?\s*([A-Za-z_.]*)\s*-?\}\}")
_ITEM = ("item.title", "brand", "category")
_KNOWN: dict[str, tuple[str, ...]] = {
    "last_bought": _ITEM,
    "last_viewed": _ITEM,
    "page": _ITEM,
    "top_brand": ("brand",),
    "top_category": ("category",),
}


def known(part: BlockPart) -> tuple[str, ...]:
    """Return the variables that the seed of a part fills."""
    return _KNOWN.get(part.seed, ()) if part.shows == "items" else ()


def variables(heading: str) -> list[str]:
    """Return the names between double braces, in their order."""
    return _VARIABLE.findall(heading)


def rest(heading: str) -> str:
    """Return a heading without its variables."""
    return _VARIABLE.sub("", heading)


def written(part: BlockPart, values: Mapping[str, str]) -> str:
    """Return the heading of a part, its default where there is none or one of its variables stays empty."""
    names = variables(part.heading)
    if not part.heading or (part.default and any(not values.get(name) for name in names)):
        return part.default
    return _VARIABLE.sub(lambda found: values.get(found[1], ""), part.heading) if names else part.heading
