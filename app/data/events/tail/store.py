"""SQL of the newest events: each statement reads a bounded piece of an index, whatever it is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from app.core.ids import PROBE, person_key
from app.data.events.domain import WITHOUT_ITEM
from app.data.identity.domain import Identity

LOOKED_AT, UNKNOWN_AMONG, SAMPLE = 20_000, 20_000, 200
_NEEDLESS = ", ".join(str(int(kind)) for kind in sorted(WITHOUT_ITEM))
# calls that are stored under their own name
_CALLS = frozenset({"", "identify", "group", "alias", "page", "screen"})
_MOST = 100
_PIECE = f"""
select received_at, event_no, occurred_at, person_no, kind, name, item_no, group_no, quantity, value, source_no, signal, mark,
    placement_no, campaign from event e
where tenant = $1 and person_no <> {PROBE} and received_at <= $2 and (received_at, event_no) < ($2, $3)
    and received_at >= $4 and (received_at, event_no) > ($4, $5)"""
_NEWEST = " order by received_at desc, event_no desc limit $6"
_LINES = f"""
select e.*, s.name, i.item_id, i.title, p.name, (
    select row(n.kind, n.value) from person one join person m on m.tenant = $1 and m.root_no = one.root_no
    join person_identity n on n.tenant = $1 and n.person_no = m.person_no
    where one.tenant = $1 and one.person_no = e.person_no order by n.kind, n.created_at limit 1
), e.group_no is null and e.signal is null and e.kind not in ({_NEEDLESS}), (select count(*) from piece)
from page e
left join event_source s on s.tenant = $1 and s.source_no = e.source_no
left join item i on i.tenant = $1 and i.item_no = e.item_no
left join placement p on p.tenant = $1 and p.placement_no = e.placement_no
order by e.received_at desc, e.event_no desc
"""
_MEMBERS = """
select m.person_no from person_identity i join person p on p.tenant = i.tenant and p.person_no = i.person_no
join person m on m.tenant = p.tenant and m.root_no = p.root_no where i.tenant = $1 and i.key = $2
"""
_END = """
select count(*), (select received_at from piece order by received_at, event_no limit 1),
    (select event_no from piece order by received_at, event_no limit 1) from piece
"""
# one reading of the log; the groups are few, whatever is asked of them
_GROUPS = f"""
with piece as materialized (
    select received_at, kind, name, group_no, source_no, signal from event
    where tenant = $1 and received_at >= $2 and person_no <> {PROBE} order by received_at desc, event_no desc limit {UNKNOWN_AMONG}
)
select e.kind, e.name, coalesce(s.name, ''), e.signal is not null, count(*), count(*) filter (where e.group_no is null),
    min(e.received_at), max(e.received_at)
from piece e left join event_source s on s.tenant = $1 and s.source_no = e.source_no group by 1, 2, 3, 4
"""
_LOST = f"""
select e.received_at, e.person_no, e.payload, p.data_key, e.source_no from (
    select received_at, person_no, payload, source_no, group_no, kind, signal from event
    where tenant = $1 and received_at >= $2 and person_no > {PROBE} order by received_at desc, event_no desc limit {UNKNOWN_AMONG}
) e join person p on p.tenant = $1 and p.person_no = e.person_no
where e.group_no is null and e.signal is null and e.payload is not null and e.kind not in ({_NEEDLESS}) limit {SAMPLE}
"""


@dataclass(frozen=True)
class Wanted:
    """Which events: kinds by number, a source by its number (0: by HTTP), an item by its numbers, people by theirs."""

    kind: int | None = None
    source_no: int | None = None
    item_no: int | None = None
    people: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Bounds:
    """Places of the log, both left out."""

    below: tuple[datetime, int]
    above: tuple[datetime, int]


async def members(below: Any, tenant: int, identity: Identity) -> tuple[int, ...]:
    """Return the numbers of all ids of a person; empty for an id that nobody knows."""
    return tuple(row[0] for row in await below.fetch(_MEMBERS, tenant, person_key(tenant, *identity)))


async def newest(below: Any, tenant: int, bounds: Bounds, wanted: Wanted, limit: int) -> tuple[list[Any], int, tuple[datetime, int] | None]:
    """Return events, how many were looked through, and where that ended (None: there are no more)."""
    # those of a person come from the index by person, all others from the newest of all
    own = wanted.people is not None
    among = f" and person_no = any('{{{','.join(map(str, wanted.people or ()))}}}'::bigint[])" if own else ""
    piece = f"with piece as materialized ({_PIECE}{among}{_NEWEST})"
    fits = [
        f"{name} = {number}"
        for name, number in (("kind", wanted.kind), ("coalesce(source_no, 0)", wanted.source_no), ("item_no", wanted.item_no))
        if number is not None
    ]
    most = LOOKED_AT if fits else limit + 1
    asked = [tenant, *bounds.below, *bounds.above, most]
    where = f" where {' and '.join(fits)}" if fits else ""
    page = f", page as (select * from piece{where} order by received_at desc, event_no desc limit {int(limit) + 1})"
    rows = list(await below.fetch(f"{piece}{page}{_LINES}", *asked))
    if len(rows) > limit:
        last = rows[limit - 1]
        return rows[:limit], min(last[-1], most), (last[0], last[1])
    looked, at, number = await below.fetchrow(f"{piece}{_END}", *asked)
    return rows, looked, (at, number) if looked == most else None


class Looked(NamedTuple):
    """What is unknown among the newest events: how many were looked through and from when on; names with their count and the last
    moment; kinds by source with their count and how many of them lack the item, the most first.
    """

    events: int
    since: datetime | None
    names: list[tuple[str, int, datetime]]
    without: list[tuple[int, str, int, int]]


async def unknown(below: Any, tenant: int, since: datetime) -> Looked:
    """Return what is unknown among the newest events."""
    names: dict[str, tuple[int, datetime]] = {}
    kinds: dict[tuple[int, str], tuple[int, int]] = {}
    rows = await below.fetch(_GROUPS, tenant, since)
    for kind, name, source, is_signal, count, lost, _, last in rows:
        if not is_signal and kind == 0 and name not in _CALLS:
            before = names.get(name, (0, last))
            names[name] = before[0] + count, max(before[1], last)
        if not is_signal and kind not in WITHOUT_ITEM:
            all_before, lost_before = kinds.get((kind, source), (0, 0))
            kinds[kind, source] = all_before + count, lost_before + lost
    named = sorted(((name, *told) for name, told in names.items()), key=lambda one: (-one[1], one[0]))[:_MOST]
    without = sorted(((*pair, *told) for pair, told in kinds.items() if told[1]), key=lambda one: -one[3])[:_MOST]
    return Looked(sum(row[4] for row in rows), min((row[6] for row in rows), default=None), named, without)


async def lost(below: Any, tenant: int, since: datetime) -> Sequence[Any]:
    """Return the newest messages whose item the catalogue did not know, sealed."""
    found: Sequence[Any] = await below.fetch(_LOST, tenant, since)
    return found
