"""How a filter that leaves nothing is widened, step by step; what excludes an item (blocked, not_categories, not_brands) stays."""

from functools import lru_cache
from typing import Any, NamedTuple

from app.data.catalogue.values.categories import above
from app.decisions.placements.domain import Filter


class Step(NamedTuple):
    """A wider filter, and what is told when it is used."""

    filter: Filter
    told: str


@lru_cache(maxsize=4096)
def within(asked: Filter, own: Filter) -> tuple[Step, ...]:
    """Return the steps from the category of a request to the placement's own filter: the categories above it, then none."""
    steps: list[Step] = []
    categories = asked.categories
    if asked is own or asked == own:
        return ()
    while wider := tuple(dict.fromkeys(above(one) or one for one in categories)):
        if wider == categories:
            break
        categories = wider
        if all(own.reaches(one) for one in categories):
            steps.append(Step(own.narrowed(*categories), f"category: nothing of it can be shown; widened to {', '.join(categories)}"))
    steps.append(Step(own, "category: nothing of it can be shown; the placement's own filter was used"))
    return tuple(steps)


# what a step takes out of a filter, and how it is told
_BEYOND: tuple[tuple[dict[str, Any], str], ...] = (
    ({"where": ""}, "without its condition"),
    ({"price_min": None, "price_max": None}, "without bounds of price"),
    ({"brands": (), "kinds": ()}, "without its brands and kinds"),
    ({"categories": ()}, "without its categories"),
    ({"exclude_seen": False}, "with items that were seen"),
    ({"exclude_bought": False}, "with items that were bought"),
)


@lru_cache(maxsize=1024)
def beyond(own: Filter) -> tuple[Step, ...]:
    """Return the steps from a placement's own filter to any item that is not excluded."""
    steps: list[Step] = []
    wide = own
    for less, how in _BEYOND:
        wider = wide.model_copy(update=less)
        if wider != wide:
            wide = Filter(**{name: getattr(wider, name) for name in Filter.model_fields})
            steps.append(Step(wide, f"filter: nothing that passes it can be shown; used {how}"))
    return tuple(steps)
