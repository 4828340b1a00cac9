"""What is found in the parts of a placement before it is published."""

from collections.abc import Iterator

from app.decisions.placements import headings
from app.decisions.placements.domain import BlockPart, Placement
from app.documents.kinds import Finding, nearest

_SEEDED = {
    "last_bought": "the item bought last",
    "last_viewed": "the item looked at last",
    "page": "the item of the page",
    "top_brand": "the brand liked most",
    "top_category": "the category liked most",
    "segment": "a segment",
}


def check(placement: Placement) -> Iterator[Finding]:
    """Give what can never work in the parts of a placement, whatever the shop."""
    for place, part in enumerate(placement.parts):
        field = f"parts.{place}"
        for message in _headings(part, "heading"):
            yield _error(f"{field}.heading", message)
        for message in _headings(part, "default"):
            yield _error(f"{field}.default", message)
        if _can_be_unknown(part) and part.when_unknown == "popular" and part.heading and not part.default:
            yield _error(
                f"{field}.default", f"is needed: popular items stand below it where {_starts(part)} is unknown; or leave the part out"
            )
        if part.seed == "segment" and not placement.segments:
            yield _error(f"{field}.seed", "the placement names no segment: name some in `segments`")
        if part.shows != "items" and part.seed:
            yield _error(f"{field}.seed", f"a part of {part.shows} starts from those that the person likes: leave `seed` empty")
        if part.order == "newest" and part.seed not in ("", "top_brand", "top_category"):
            yield _error(
                f"{field}.order",
                f"what is newest does not follow from {_starts(part)}: leave `seed` empty, or start from a brand or category",
            )
        if part.order == "newest" and part.shows != "items":
            yield _error(f"{field}.order", f"a part of {part.shows} shows those that are liked: write best")
        wanted = part.filter
        if wanted and wanted.price_min is not None and wanted.price_max is not None and wanted.price_min > wanted.price_max:
            yield _error(f"{field}.filter.price_min", "is above price_max, so no item can pass")
    if placement.parts and all(one.when_unknown == "leave_out" and _can_be_unknown(one) for one in placement.parts):
        yield Finding(
            level="warning", field="parts",
            message="all parts leave themselves out for somebody unknown: who is gets what the placement itself gives, below the first "
            "part's default heading",
        )  # fmt: skip


def _headings(part: BlockPart, field: str) -> Iterator[str]:
    text, known = getattr(part, field), headings.known(part) if field == "heading" else ()
    for name in headings.variables(text):
        if name not in known:
            beside = f": it can say {', '.join(f'{{{{ {one} }}}}' for one in known)}" if known else ": it can say no variable"
            yield f"{{{{ {name} }}}} cannot be known{_by(part, field)}{nearest(name, known) or beside}"
    if any(mark in headings.rest(text) for mark in ("{{", "}}", "{%", "%}")):
        yield "takes variables such as {{ brand }} and nothing else in braces"


def _by(part: BlockPart, field: str) -> str:
    if field == "default":
        return " where the seed is unknown"
    return f" from {_starts(part)}" if part.seed and part.shows == "items" else " without a seed"


def _starts(part: BlockPart) -> str:
    return _SEEDED.get(part.seed, "what the person likes")


def _can_be_unknown(part: BlockPart) -> bool:
    return bool(part.seed) or part.shows != "items"


def _error(field: str, message: str) -> Finding:
    return Finding(level="error", field=field, message=message)
