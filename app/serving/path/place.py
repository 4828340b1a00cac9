"""Puts a call into its placement: filter, number of items, what must not be shown, and the Redis keys that follow from it."""

import asyncio
import time

from app.core import ids, telemetry
from app.core.errors import NotFound
from app.core.logging import log
from app.core.settings import Settings
from app.decisions.placements.domain import Placement
from app.serving.model import pin_codec
from app.serving.model.call import NONE, Call
from app.serving.path.keys import keys_of
from app.serving.path.rules import repeating, turning
from app.serving.path.widen import narrow
from app.serving.snapshot.snapshot import Placed, Snapshot

# Unknown placements are told in the log once a minute each, and no more than so many of them: anybody can make them up.
_TELLING_S, _MOST_TOLD = 60.0, 20
_told: dict[tuple[int, str], float] = {}
NOWHERE = Placed("", 0, 0, Placement(recommender=""))


def place(call: Call, settings: Settings) -> None:
    """Fill in what the placement says; raises NotFound and BadRequest for strict calls only."""
    placed = call.snapshot.config.placements.get(call.placement)
    if placed is None:
        placed = _unknown(call, call.snapshot, settings)
    rules = placed.placement
    call.placed, call.rules, call.wanted = placed, rules, rules.filter
    call.until = asyncio.get_running_loop().time() + (rules.deadline_ms or settings.deadline_ms) / 1000
    call.limit = call.limit or rules.places
    if call.snapshot.programs and (program := call.snapshot.programs.get(placed.name)) is not None:
        call.program = program
        if program.reads_person and call.key:
            call.facts_key = ids.facts_key(call.tenant, call.key)
        repeating.key_of(call, call.key)
        if not program.late:
            turning.turn(call)
    # the grid stands in for a template that is gone or wrong
    if asking := call.snapshot.config.asking:
        call.personal = not asking.isdisjoint(((rules.template, call.format.name), ("grid", call.format.name)))
    if (rules.segments or call.personal) and call.key:
        call.facts_key = ids.facts_key(call.tenant, call.key)
    if call.category:
        narrow(call, rules.filter)
    if call.items or call.exclude or rules.blocked:
        _name_items(call)
    if call.closed:
        return  # over a limit nothing is read: popular items are all there is
    call.state_key, call.list_key = keys_of(call)
    if call.send_id or call.campaign:
        call.pin_key = ids.pin_key(call.tenant, call.key, pin_codec.pin_digest(call, rules.parts))


def place_lowest(call: Call) -> None:
    """Fill in only what popular items need, after a step failed."""
    call.placed = call.snapshot.config.placements.get(call.placement) or NOWHERE
    call.rules, call.wanted = call.placed.placement, call.placed.placement.filter
    call.limit, call.state, call.banned = call.limit or call.rules.count, None, frozenset()
    call.program = call.ruled = None


def _name_items(call: Call) -> None:
    """Find the groups of the items on the page, and of those that must not come back."""
    catalogue = call.snapshot.catalogue
    index_of, group = catalogue.index_of, catalogue.group
    named = (*call.items, *call.exclude, *call.rules.blocked)
    call.banned = frozenset(int(group[index_of[item]]) for item in named if item in index_of)
    if call.rules.blocked and (groups := call.snapshot.config.groups):
        blocked = [catalogue.place_of.get(groups[one], -1) for one in call.rules.blocked if one in groups and one not in index_of]
        call.banned = call.banned.union(blocked)
    if unknown := [item for item in call.items if item not in index_of]:
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        call.complain(f"item_id: the catalogue does not know {', '.join(item[:40] for item in unknown[:3])}{more}")
    if call.items:
        call.anchor = catalogue.group_no[[group[index_of[item]] for item in call.items if item in index_of]] if len(catalogue) else NONE
        call.anchored = call.rules.anchor == "item" and len(call.anchor) > 0


def _unknown(call: Call, snapshot: Snapshot, settings: Settings) -> Placed:
    if call.strict:
        raise NotFound("There is no placement of this name.")
    telemetry.UNKNOWN_PLACEMENTS.inc()
    if _untold(call.tenant, call.placement):
        log.warning("placement.unknown", tenant=call.tenant)
    return snapshot.config.placements.get(settings.default_placement) or NOWHERE


def _untold(tenant: int, name: str) -> bool:
    """Tell whether an unknown placement was not told within the last minute, and may be now."""
    now = time.monotonic()
    if (tenant, name) in _told or len(_told) >= _MOST_TOLD:
        for one in [one for one, at in _told.items() if now - at >= _TELLING_S]:
            del _told[one]
        if (tenant, name) in _told or len(_told) >= _MOST_TOLD:
            return False
    _told[tenant, name] = now
    return True
