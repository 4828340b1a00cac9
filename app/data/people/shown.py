"""What is known of one person, in words: names instead of numbers, and counts as of now."""

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core import clock
from app.core.db import Database, driver
from app.core.ids import IdentityKind, person_key
from app.core.settings import Settings
from app.data.events.domain import Kind
from app.data.people.domain import Identity, newest_country
from app.data.people.online import State, empty_state, pack_state, unpack_state
from app.data.people.profile import NOTHING, ORDER, Profile, unpack_profile
from app.data.people.schemas import Bought, CartLine, IdentityOut, Orders, PersonOut, Touched, Visited
from app.data.people.state import states

# All members of the group that an id belongs to, the one that names it first.
_MEMBERS = """
select m.person_no, m.root_no, m.consent, m.consent_at, m.traits::text as traits, m.traits_at::text as traits_at, m.country, m.country_at,
    m.created_at, s.state, s.profile
from person_identity i join person p on p.tenant = i.tenant and p.person_no = i.person_no
join person m on m.tenant = p.tenant and m.root_no = p.root_no
left join person_state s on s.tenant = m.tenant and s.person_no = m.person_no
where i.tenant = $1 and i.key = $2 order by m.person_no <> m.root_no, m.person_no
"""
_IDENTITIES = """
select i.kind, i.value, i.is_primary and i.person_no = $3 as is_primary from person_identity i
where i.tenant = $1 and i.person_no = any($2::bigint[]) order by i.kind, i.created_at, i.value
"""
# An item group is shown by the item that has been in it longest.
_GROUPS = """
select g.group_no, g.group_id, (
    select i.item_id from item i where i.tenant = g.tenant and i.group_no = g.group_no order by i.item_no limit 1
)
from item_group g where g.tenant = $1 and g.group_no = any($2::int[])
"""
_ITEMS = "select item_no, item_id from item where tenant = $1 and item_no = any($2::int[])"


async def person(db: Database, settings: Settings, tenant: int, identity: Identity) -> PersonOut | None:
    """Return what is known of the person of an id; None when nobody has it.

    It is what the worker has computed; where it has not yet, it is computed here.
    """
    async with db.begin() as connection:
        below = await driver(connection)
        members = await below.fetch(_MEMBERS, tenant, person_key(tenant, *identity))
        if not members:
            return None
        row = members[0]
        consent = None if row["consent"] is None else bool(row["consent"])
        state, profile = await _computed(connection, settings, tenant, row, consent)
        identities = await below.fetch(_IDENTITIES, tenant, [one["person_no"] for one in members], row["root_no"])
        groups = await _groups(connection, tenant, {*state.groups.tolist(), *state.bought.tolist()})
        items = dict(await below.fetch(_ITEMS, tenant, profile.cart["item"].tolist()))
    return PersonOut(
        identities=[IdentityOut(kind=_name(one["kind"]), value=one["value"], primary=one["is_primary"]) for one in identities],
        personalisation=consent,
        consent_at=max((one["consent_at"] for one in members if one["consent_at"]), default=None),
        traits=_traits(members),
        country=newest_country((one["country"] or "", one["country_at"]) for one in members) or None,
        created_at=min(one["created_at"] for one in members),
        last_seen=_moment(profile.last_seen) if profile.last_seen else None,
        history=_history(state, groups),
        bought=_bought(state, groups),
        counts=profile.counts(clock.now().timestamp()),
        orders=_orders(profile),
        visits=_visits(profile),
        cart=[
            CartLine(item_id=items[item], quantity=quantity, added_at=_moment(added))
            for item, added, quantity in reversed(profile.cart.tolist())
            if item in items
        ],
    )


async def _computed(connection: AsyncConnection, settings: Settings, tenant: int, row: Any, consent: bool | None) -> tuple[State, Profile]:
    """Return state and profile as they are kept, or from the events where they are not, or are of another release."""
    packed, number = row["profile"], row["root_no"]
    state = unpack_state(row["state"]) if row["state"] is not None else None
    if consent is False:
        state, packed = empty_state(0, number, consent), NOTHING
    elif state is None or not packed or unpack_profile(packed) is None:
        ((computed, packed),) = await states(connection, tenant, [number], settings.history_items, settings.bought_items)
        # as exact as it will be kept
        state = unpack_state(pack_state(computed))
    profile = unpack_profile(packed)
    assert state is not None
    assert profile is not None
    return state, profile


async def _groups(connection: AsyncConnection, tenant: int, numbers: Collection[int]) -> dict[int, tuple[str, str]]:
    """Return id and first item of each group."""
    rows = await (await driver(connection)).fetch(_GROUPS, tenant, list(numbers))
    return {number: (group, item or "") for number, group, item in rows}


def _traits(members: Sequence[Any]) -> dict[str, Any]:
    """Return every trait as it was told last by any of the ids; of several told at one moment the last by value."""
    told: dict[str, tuple[datetime, bytes, Any]] = {}
    for one in members:
        moments = orjson.loads(one["traits_at"])
        for name, value in orjson.loads(one["traits"]).items():
            at = datetime.fromisoformat(moments[name]) if name in moments else datetime.min.replace(tzinfo=UTC)
            said = (at, orjson.dumps(value), value)
            told[name] = max(told.get(name, said), said, key=lambda one: one[:2])
    return {name: said[2] for name, said in sorted(told.items())}


def _history(state: State, groups: dict[int, tuple[str, str]]) -> list[Touched]:
    columns = (state.groups, state.kinds, state.times, state.amounts, state.last_at)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        Touched(
            item_group_id=groups[group][0],
            item_id=groups[group][1],
            kind=Kind(kind).name.lower(),
            times=times,
            amount=round(amount, 4),
            last_at=_moment(at),
        )
        for group, kind, times, amount, at in reversed(list(rows))
        if group in groups
    ]


def _bought(state: State, groups: dict[int, tuple[str, str]]) -> list[Bought]:
    rows = zip(state.bought.tolist(), state.bought_day.tolist(), strict=True)
    return [
        Bought(item_group_id=groups[group][0], item_id=groups[group][1], last_day=_day(day))
        for group, day in reversed(list(rows))
        if group in groups
    ]


def _orders(profile: Profile) -> Orders:
    count = profile.totals.get(ORDER, 0)
    first, last = (_day(profile.first_order), _day(profile.last_order)) if count else (None, None)
    return Orders(count=count, value=profile.order_value, first_day=first, last_day=last)


def _visits(profile: Profile) -> list[Visited]:
    return [
        Visited(started_at=_moment(start), seconds=length, pages=pages, items=items)
        for start, length, pages, items in reversed(profile.visits.tolist())
    ]


def _name(kind: int) -> str:
    return IdentityKind(kind).name.lower()


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def _day(days: int) -> date:
    return date(1970, 1, 1) + timedelta(days=days)
