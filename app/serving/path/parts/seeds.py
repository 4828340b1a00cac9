"""What a part starts from: an item, brand or category that the person's history, or the page, names."""

from collections.abc import Callable, Iterable, Mapping

from app.data.profiles.state_codec import State
from app.decisions.placements.domain import BlockPart, Filter
from app.serving.model.call import Call
from app.serving.model.composed import COLUMN, NEEDLESS, UNKNOWN, Seed
from app.serving.path.rungs.segment import named_segment

# so many of the latest are tried where the catalogue has lost some, and so many of the best words where nothing of them can be shown
_MOST_ITEMS, _MOST_WORDS = 20, 5


def found(call: Call, part: BlockPart) -> Seed:
    """Return what a part starts from, by the person and the page of its call."""
    if part.shows != "items":
        return NEEDLESS if liked(call, COLUMN[part.shows]) else UNKNOWN
    return _SEEDS[part.seed](call)


def liked(call: Call, name: str) -> list[str]:
    """Return the categories or brands that the person likes, the best first; of equal ones the latest."""
    state, catalogue = _history(call), call.snapshot.catalogue
    if state is None:
        return []
    likes: dict[int, tuple[int, int]] = {}
    for place, group in enumerate(catalogue.group_index(state.groups).tolist()):
        if group >= 0:
            code = int(catalogue.code[name][catalogue.items_of(group)[0]])
            likes[code] = (likes.get(code, (0, 0))[0] + int(state.kinds[place]), place)
    words = catalogue.words[name]
    return [words[code] for code in sorted(likes, key=lambda code: likes[code], reverse=True) if words[code]]


def narrowed(wanted: Filter, seeded: str, word: str) -> Filter:
    """Return a filter with the brand or category of a seed demanded, or itself where that lies outside."""
    return wanted.of_brand(word) if seeded == "top_brand" else wanted.narrowed(word)


def _history(call: Call) -> State | None:
    return call.state.whole() if call.state is not None else None


def _last_bought(call: Call) -> Seed:
    return _item(call, call.state.bought[::-1].tolist()) if call.state is not None else UNKNOWN


def _last_viewed(call: Call) -> Seed:
    """Return the item that the person did something with last, and did not buy."""
    if call.state is None:
        return UNKNOWN
    return _item(call, [group for group in call.state.groups[::-1].tolist() if group not in call.bought])


def _page(call: Call) -> Seed:
    return _item(call, call.anchor.tolist())


def _item(call: Call, numbers: Iterable[int]) -> Seed:
    """Return the first of some groups that the catalogue has, as its first item."""
    catalogue = call.snapshot.catalogue
    groups = catalogue.group_index(list(numbers)[:_MOST_ITEMS])
    there = groups[groups >= 0]
    return Seed(True, int(catalogue.items_of(int(there[0]))[0])) if len(there) else UNKNOWN


def _top(call: Call, name: str, seeded: str) -> Seed:
    """Return the first brand or category liked of which something can be shown."""
    for word in liked(call, name)[:_MOST_WORDS]:
        wanted = narrowed(call.wanted, seeded, word)
        if wanted is not call.wanted and call.snapshot.catalogue.passing(wanted).some:
            return Seed(True, word=word)
    return UNKNOWN


_SEEDS: Mapping[str, Callable[[Call], Seed]] = {
    "": lambda call: NEEDLESS,
    "last_bought": _last_bought,
    "last_viewed": _last_viewed,
    "page": _page,
    "top_brand": lambda call: _top(call, "brand", "top_brand"),
    "top_category": lambda call: _top(call, "category", "top_category"),
    "segment": lambda call: Seed(True) if named_segment(call) else UNKNOWN,
}
