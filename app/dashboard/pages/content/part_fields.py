"""The parts of a placement as fields of its form."""

from collections.abc import Mapping
from typing import Any

from app.decisions.placements.domain import MOST_PARTS, BlockPart

FIRST = "part-0-name"
SEEDS: Mapping[str, str] = {
    "": "what the block starts from",
    "last_bought": "the item bought last",
    "last_viewed": "the item looked at last",
    "page": "the item of the page",
    "top_brand": "the brand liked most",
    "top_category": "the category liked most",
    "segment": "a segment of the placement",
}
_WORDS = ("heading", "default", "seed", "shows", "order", "when_unknown")
_AS_ABOVE = "-"


def rows(parts: Any) -> list[dict[str, Any]]:
    """Return the parts that a form shows: those there are, and an empty one while there is room."""
    empty = BlockPart(name="new").model_dump(mode="json") | {"name": ""}
    found = [{**empty, **one} for one in parts if isinstance(one, dict)] if isinstance(parts, list) else []
    return [*found, empty] if len(found) < MOST_PARTS else found


def written(form: Any, before: Any) -> list[dict[str, Any]]:
    """Return the parts that a form says, each changed in what it came with; those without a name are taken away."""
    old = [one if isinstance(one, dict) else {} for one in before] if isinstance(before, list) else []
    found = []
    for place in range(max(MOST_PARTS, len(old))):
        if not (name := str(form.get(f"part-{place}-name", "")).strip()):
            continue
        part = {**(old[place] if place < len(old) else {}), "name": name}
        for field in _WORDS:
            if f"part-{place}-{field}" in form:
                part[field] = str(form[f"part-{place}-{field}"]).strip()
        if (limit := str(form.get(f"part-{place}-limit", "")).strip()) or f"part-{place}-limit" in form:
            part["limit"] = int(limit) if limit.isascii() and limit.isdigit() else limit
        if (recommender := form.get(f"part-{place}-recommender")) is not None:
            part["recommender"] = None if recommender == _AS_ABOVE else str(recommender)
        found.append(part)
    return found
