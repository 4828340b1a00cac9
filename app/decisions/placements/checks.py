"""What is found in a placement before it is published."""

from collections.abc import Generator, Iterator

from app.data.catalogue.values.categories import comparable
from app.data.conditions.syntax import Wrong
from app.data.segments.domain import NAME as SEGMENT
from app.decisions.placements import conditions, parts
from app.decisions.placements.domain import Filter, Placement
from app.documents.kinds import Facts, Finding, Names, nearest

# these come with the program, whatever was published
_ALWAYS = ("grid", "hero")


def check(placement: Placement, names: Names, facts: Facts | None) -> Iterator[Finding]:
    """Give what can never work, what does not work with the present shop, and how much the filter leaves."""
    wanted = placement.filter
    templates = {*names["template"], *_ALWAYS}
    if placement.template not in templates:
        yield _error("template", f"there is no template {placement.template}{nearest(placement.template, templates)}")
    for one in placement.segments:
        if one not in names["segment"]:
            yield _error("segments", f"there is no segment {one}{nearest(one, names['segment'])}")
    if wanted.price_min is not None and wanted.price_max is not None and wanted.price_min > wanted.price_max:
        yield _error("filter.price_min", "is above price_max, so no item can pass")
    yield from parts.check(placement)
    readable = yield from _condition("filter", wanted, names)
    for place, part in enumerate(placement.parts):
        if part.filter is not None:
            readable &= yield from _condition(f"parts.{place}.filter", part.filter, names, alone=True)
    if facts is None:
        return
    yield from _recommender("recommender", placement.recommender, facts)
    yield from _words("filter", wanted, facts)
    for field, ids in (("fixed.items", placement.fixed.items), ("blocked", placement.blocked)):
        if unknown := [one for one in ids if not facts.has_item(one)]:
            yield _warning(field, f"the catalogue has no item {', '.join(unknown[:5])}")
    for place, part in enumerate(placement.parts):
        yield from _recommender(f"parts.{place}.recommender", part.recommender or "", facts)
        if part.filter is not None:
            yield from _words(f"parts.{place}.filter", part.filter, facts)
    if readable:
        yield from _left(placement, facts)


def _left(placement: Placement, facts: Facts) -> Iterator[Finding]:
    """Give how many products filters leave."""
    wanted = placement.filter
    for place, part in enumerate(placement.parts):
        left, _, _ = facts.left_by(part.filter or wanted)
        if left < part.limit:
            yield _warning(f"parts.{place}.filter", f"leaves {left:,} products that are in stock, and {part.limit} are shown")
    if placement.parts:
        return
    left, all_there, whole = facts.left_by(wanted)
    beside = "" if whole else ", beside its condition, which is asked for each answer"
    told = f"this filter leaves {left:,} of {all_there:,} products that are in stock{beside}"
    if left < placement.count:
        yield _warning("filter", f"{told}, and {placement.count} are shown: " + ("others stand in" if left else "it will be widened"))
    else:
        yield Finding(level="info", field="filter", message=told)


def _recommender(field: str, name: str, facts: Facts) -> Iterator[Finding]:
    if name and name not in facts.recommenders:
        yield _error(field, f"there is no recommender {name}{nearest(name, facts.recommenders)}")


def _condition(field: str, wanted: Filter, names: Names, *, alone: bool = False) -> Generator[Finding, None, bool]:
    """Give what is found in a filter's condition, which may have to be of items `alone`; return whether it can be read."""
    try:
        found = conditions.read(wanted.where, conditions.facts_of())
    except Wrong as wrong:
        yield _error(f"{field}.where", str(wrong))
        return False
    if found is None:
        return True
    if alone and not conditions.settled(found):
        yield _error(f"{field}.where", "may name what items tell until they change: the filter of the whole placement takes all else")
        return False
    for name in sorted(ref.key for ref in found.refs if ref.name == SEGMENT and ref.key not in names["segment"]):
        yield _error(f"{field}.where", f"there is no segment {name}{nearest(name, names['segment'])}")
    yield Finding(level="info", field=f"{field}.where", message=found.sentence)
    return True


def _words(where: str, wanted: Filter, facts: Facts) -> Iterator[Finding]:
    for field, kind, words in (
        ("categories", "category", wanted.categories),
        ("not_categories", "category", wanted.not_categories),
        ("brands", "brand", wanted.brands),
        ("not_brands", "brand", wanted.not_brands),
        ("kinds", "kind", wanted.kinds),
    ):
        known = facts.words[kind]
        for word in words:
            if comparable(word) not in known:
                yield _warning(f"{where}.{field}", f"no item has the {kind} {word}{nearest(word, known.values())}")


def _error(field: str, message: str) -> Finding:
    return Finding(level="error", field=field, message=message)


def _warning(field: str, message: str) -> Finding:
    return Finding(level="warning", field=field, message=message)
