"""Puts a call into its placement: filter, number of items, what must not be shown, and the Redis keys that follow from it."""

import asyncio

from app.core import ids, telemetry
from app.core.errors import NotFound
from app.core.logging import log
from app.core.settings import Settings
from app.decisions.placements.domain import Placement
from app.serving import pins
from app.serving.call import NONE, Call
from app.serving.snapshot.snapshot import Placed, Snapshot

NOWHERE = Placed("", 0, 0, Placement(recommender=""))


def place(call: Call, settings: Settings) -> None:
    """Fill in what the placement says; raises NotFound and BadRequest for strict calls only."""
    placed = call.snapshot.config.placements.get(call.placement)
    if placed is None:
        placed = _unknown(call, call.snapshot, settings)
    rules = placed.placement
    call.placed, call.rules, call.wanted = placed, rules, rules.filter
    call.until = asyncio.get_running_loop().time() + (rules.deadline_ms or settings.deadline_ms) / 1000
    call.limit = call.limit or rules.count
    if call.category:
        call.wanted = rules.filter.narrowed(call.category)
        if call.wanted is rules.filter:
            call.complain("category: outside of what this placement shows")
    if call.items or call.exclude or rules.blocked:
        _name_items(call)
    if call.closed:
        return  # over a limit nothing is read: popular items are all there is
    if call.key:
        call.state_key, call.list_key = ids.person_keys(call.tenant, call.key, rules.recommender, call.wanted.key, "")
    if call.anchored:
        spelled = "-".join(map(str, sorted(call.anchor.tolist())))
        _, call.list_key = ids.person_keys(call.tenant, b"", rules.recommender, call.wanted.key, spelled)
    if not rules.recommender:
        call.list_key = ""
    if call.send_id or call.campaign:
        call.pin_key = ids.pin_key(call.tenant, call.key, pins.pin_digest(call))


def place_lowest(call: Call) -> None:
    """Fill in only what popular items need, after a step failed."""
    call.placed = call.snapshot.config.placements.get(call.placement) or NOWHERE
    call.rules, call.wanted = call.placed.placement, call.placed.placement.filter
    call.limit, call.state, call.banned = call.limit or call.rules.count, None, frozenset()


def _name_items(call: Call) -> None:
    """Find the groups of the items on the page, and of those that must not come back."""
    catalogue = call.snapshot.catalogue
    index_of, group = catalogue.index_of, catalogue.group
    named = (*call.items, *call.exclude, *call.rules.blocked)
    call.banned = frozenset(int(group[index_of[item]]) for item in named if item in index_of)
    if call.items:
        call.anchor = catalogue.group_no[[group[index_of[item]] for item in call.items if item in index_of]] if len(catalogue) else NONE
        call.anchored = call.rules.anchor == "item" and len(call.anchor) > 0


def _unknown(call: Call, snapshot: Snapshot, settings: Settings) -> Placed:
    if call.strict:
        raise NotFound("There is no placement of this name.")
    telemetry.UNKNOWN_PLACEMENTS.inc()
    log.warning("placement.unknown", tenant=call.tenant)
    return snapshot.config.placements.get(settings.default_placement) or NOWHERE
