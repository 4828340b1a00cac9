"""Narrows a call to the category it asks for, and widens again where no item of it can be shown."""

from collections.abc import Mapping

from app.data.catalogue.values.categories import above, comparable
from app.decisions.placements.domain import Filter
from app.decisions.placements.widening import within
from app.serving.model.call import Call

_MOST = 8


def narrow(call: Call, own: Filter) -> None:
    """Demand the categories of a call; what no item has gets neither a mask nor a list of its own, since anybody can make it up."""
    catalogue = call.snapshot.catalogue
    exact, higher, missing = _resolved(catalogue.categories, call.category)
    found = exact or higher
    reached = [one for one in found if own.reaches(one)]
    if not reached and (found or not own.reaches(call.category)):
        call.complain("category: outside of what this placement shows")
        return
    if missing:
        call.complain(f"category: no item is of {', '.join(one[:80] for one in missing)}")
    if not exact:
        if call.blank:
            call.wanted, call.nothing = own.closed, True
            return
        call.widened = True
    call.wanted = own.narrowed(*reached)
    if not call.blank and not catalogue.passing(call.wanted).some:
        for step in within(call.wanted, own):
            if catalogue.passing(step.filter).some:
                call.widen(step.filter, step.told)
                break


def _resolved(known: Mapping[str, str], text: str) -> tuple[list[str], list[str], list[str]]:
    """Return the categories named, as the catalogue spells them; those above ones it lacks; and these."""
    if (whole := comparable(text)) in known:
        return [known[whole]], [], []
    exact: dict[str, None] = {}
    higher: dict[str, None] = {}
    missing: list[str] = []
    for part in [part.strip() for part in text.split(",", _MOST) if part.strip()][:_MOST]:
        key = comparable(part)
        if key in known:
            exact[known[key]] = None
            continue
        missing.append(part)
        while key and key not in known:
            key = above(key)
        if key:
            higher[known[key]] = None
    return list(exact), list(higher), missing
