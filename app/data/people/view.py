"""What is known of one person, in words: names instead of numbers, and counts as of now."""

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.core import clock
from app.core.db import Database, driver
from app.core.ids import IdentityKind, person_key
from app.core.settings import Settings
from app.data.catalogue.values.categories import above
from app.data.facts import packed as packed_facts
from app.data.identity import watched
from app.data.identity.domain import Identity, newest_country
from app.data.identity.purposes import Defaults, Purpose, told
from app.data.identity.traits import order_of, traits_of
from app.data.kinds import Kind
from app.data.people import facts
from app.data.people.schemas import Bought, CartLine, IdentityOut, Orders, PersonOut, Touched, Visited, purposes_out, traits_out
from app.data.profiles.codec import NOTHING, ORDER, Profile, unpack_profile
from app.data.profiles.compute import compute, states
from app.data.profiles.state_codec import State, empty_state, pack_state, unpack_state
from app.data.segments.packing import Packing
from app.data.segments.programs import programs

# All members of the group that an id belongs to, the one that names it first.
_MEMBERS = """
select m.person_no, m.root_no, m.consent, m.consent_at, m.traits::text as traits, m.purposes::text as purposes, m.country, m.country_at,
    m.created_at, s.state, s.profile, s.facts
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
select g.group_no, g.group_id, i.item_id, i.title, i.document ->> 'image_link'
from item_group g left join lateral (
    select item_id, title, document from item where tenant = g.tenant and group_no = g.group_no order by item_no limit 1
) i on true
where g.tenant = $1 and g.group_no = any($2::int[])
"""
_ITEMS = "select item_no, item_id, title, document ->> 'image_link' from item where tenant = $1 and item_no = any($2::int[])"
_WORDS = "select distinct category, brand from item where tenant = $1 and group_no = any($2::int[])"
_NAMES = ("item_id", "title", "image")


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
        items = {row[0]: _named(row[1:]) for row in await below.fetch(_ITEMS, tenant, profile.cart["item"].tolist())}
        known, segments = await _facts(db, connection, settings, tenant, row, state)
    return PersonOut(
        audit_name=watched.hint(settings, tenant, identity),
        identities=[IdentityOut(kind=_name(one["kind"]), value=one["value"], primary=one["is_primary"]) for one in identities],
        personalisation=consent,
        consent_at=_consent_at(members),
        purposes=purposes_out(_purposes(settings, members, consent)),
        **traits_out(traits_of((one["traits"] for one in members), order_of(settings.trait_sources))),
        country=_country(members) or None,
        created_at=min(one["created_at"] for one in members),
        last_seen=_moment(profile.last_seen) if profile.last_seen else None,
        history=_history(state, groups),
        bought=_bought(state, groups),
        counts=profile.counts(clock.now().timestamp()),
        orders=_orders(profile),
        visits=_visits(profile),
        cart=[
            CartLine(**items[item], quantity=quantity, added_at=_moment(added))
            for item, added, quantity in reversed(profile.cart.tolist())
            if item in items
        ],
        segments=segments,
        facts=known,
    )


async def purposes(db: Database, settings: Settings, tenant: int, identity: Identity) -> tuple[bool | None, dict[str, Purpose]]:
    """Return what the person of an id said of personal answers, and what holds for each purpose; of nobody, what holds for strangers."""
    async with db.begin() as connection:
        members = await (await driver(connection)).fetch(_MEMBERS, tenant, person_key(tenant, *identity))
    consent = bool(members[0]["consent"]) if members and members[0]["consent"] is not None else None
    return consent, _purposes(settings, members, consent)


def _purposes(settings: Settings, members: Sequence[Any], consent: bool | None) -> dict[str, Purpose]:
    return told((one["purposes"] for one in members), consent, _consent_at(members), _country(members), Defaults.of(settings))


def _consent_at(members: Sequence[Any]) -> datetime | None:
    return max((one["consent_at"] for one in members if one["consent_at"]), default=None)


def _country(members: Sequence[Any]) -> str:
    return newest_country((one["country"] or "", one["country_at"]) for one in members)


async def _computed(connection: AsyncConnection, settings: Settings, tenant: int, row: Any, consent: bool | None) -> tuple[State, Profile]:
    """Return state and profile as they are kept, or from the events where they are not, or are of another release."""
    packed, number = row["profile"], row["root_no"]
    state = unpack_state(row["state"]) if row["state"] is not None else None
    if consent is False:
        state, packed = empty_state(0, number, consent), NOTHING
    elif state is None or not packed or unpack_profile(packed) is None:
        kept = (settings.history_items, settings.bought_items, clock.held(settings))
        ((computed, packed),) = await states(connection, tenant, [number], *kept)
        # as exact as it will be kept
        state = unpack_state(pack_state(computed))
    profile = unpack_profile(packed)
    assert state is not None
    assert profile is not None
    return state, profile


async def _facts(
    db: Database, connection: AsyncConnection, settings: Settings, tenant: int, row: Any, state: State
) -> tuple[dict[str, Any], list[str]]:  # fmt: skip
    """Return the facts of a person by name, and the names of the segments they are in; computed here where the worker has not yet."""
    program, edges = await programs(db).of(connection, tenant)
    person = packed_facts.read(row["facts"])
    if person is None:
        kept = (settings.history_items, settings.bought_items, clock.held(settings))
        computed = await compute(connection, tenant, [row["root_no"]], *kept)
        ((_, person),) = await Packing(settings, programs(db)).look(connection, tenant, computed)
    words = await (await driver(connection)).fetch(_WORDS, tenant, state.groups.tolist())
    categories = {one for row in words for one in _above(row[0])}
    brands = {row[1] for row in words if row[1]}
    named = {number: name for name, number in program.numbers.items()}
    inside = sorted(named[number] for number in person.segments if number in named)
    return facts.told(person, clock.now().timestamp(), edges, sorted(categories), sorted(brands)), inside


def _above(category: str) -> list[str]:
    found = []
    while category:
        found.append(category)
        category = above(category)
    return found


async def _groups(connection: AsyncConnection, tenant: int, numbers: Collection[int]) -> dict[int, dict[str, str]]:
    """Return id and first item of each group."""
    rows = await (await driver(connection)).fetch(_GROUPS, tenant, list(numbers))
    return {row[0]: {"item_group_id": row[1], **_named(row[2:])} for row in rows}


def _named(row: Sequence[Any]) -> dict[str, str]:
    return {name: value or "" for name, value in zip(_NAMES, row, strict=True)}


def _history(state: State, groups: dict[int, dict[str, str]]) -> list[Touched]:
    columns = (state.groups, state.kinds, state.times, state.amounts, state.last_at)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        Touched(
            **groups[group],
            kind=Kind(kind).name.lower(),
            times=times,
            amount=round(amount, 4),
            last_at=_moment(at),
        )
        for group, kind, times, amount, at in reversed(list(rows))
        if group in groups
    ]


def _bought(state: State, groups: dict[int, dict[str, str]]) -> list[Bought]:
    rows = zip(state.bought.tolist(), state.bought_day.tolist(), strict=True)
    return [Bought(**groups[group], last_day=_day(day)) for group, day in reversed(list(rows)) if group in groups]


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
