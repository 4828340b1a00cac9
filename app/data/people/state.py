"""From a person's facts to their packed state, in one transaction that owns the shard."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import Database
from app.core.settings import Settings
from app.data.people import facts as summing
from app.data.people import store, summary
from app.data.people.domain import newest_country
from app.data.people.online import LARGEST_TIMES, State, empty_state, pack_state
from app.data.people.profile import NOTHING
from app.data.people.publish import Published

PEOPLE_AT_ONCE = 500


async def states(connection: AsyncConnection, tenant: int, people: Sequence[int], history: int, bought: int) -> list[tuple[State, bytes]]:
    """Return state and packed profile of groups by their roots, with 0 for a sequence number; one that withdrew consent keeps neither.

    A number that is no root has none.
    """
    members = await store.members(connection, tenant, people)
    events = await store.events(connection, tenant, {one.person_no: one.root_no for one in members})
    facts, profiles = summing.gather(events, history, bought), summary.profiles(events)
    place = {person: index for index, person in enumerate(facts.person.tolist())}
    last_at = np.clip(facts.last_at, 0, 0xFFFFFFFF).astype(np.uint32)
    groups, kinds = facts.groups.astype(np.uint32), facts.kinds.astype(np.uint8)
    times = np.minimum(facts.times, LARGEST_TIMES).astype(np.uint16)
    bought_groups, days = facts.bought.astype(np.uint32), np.clip(facts.bought_day, 0, 0xFFFF).astype(np.uint16)
    bounds, bought_bounds, seen = facts.bounds.tolist(), facts.bought_bounds.tolist(), facts.last_seen.tolist()
    found = []
    for person, group in groupby(members, key=lambda one: one.root_no):
        told = list(group)
        consent, country = told[0].consent, newest_country((one.country, one.country_at) for one in told)
        at = place.get(person)
        if at is None or consent is False:
            empty = empty_state(0, person, consent, country) if consent is not False else empty_state(0, person, consent)
            found.append((empty, NOTHING))
            continue
        own, purchases = slice(bounds[at], bounds[at + 1]), slice(bought_bounds[at], bought_bounds[at + 1])
        state = State(
            0,
            person,
            consent,
            country,
            seen[at],
            groups[own],
            last_at[own],
            kinds[own],
            times[own],
            facts.amounts[own],
            bought_groups[purchases],
            days[purchases],
        )
        found.append((state, profiles[at]))
    return found


async def recompute(db: Database, settings: Settings, tenant: int, shard: int, people: Sequence[int]) -> list[Published]:
    """Compute and store the states of people of one shard from all their events; return what Redis must be told.

    Sequence numbers are drawn before anything is read, under the shard's lock: of two readings of one person, the later number is the
    later reading. People may join a group of another shard meanwhile; whoever posts that lets the group draw a later number still.
    """
    async with db.begin() as connection:
        await store.own(connection, tenant, shard)
        numbers = await store.sequence(connection, len(people))
        found = await states(connection, tenant, people, settings.history_items, settings.bought_items)
        keys = await store.keys(connection, tenant, people)
        known = [(state, profile) for state, profile in found if state.person_no in keys]
        if not known:
            return []
        rows, published = [], []
        for (state, profile), seq in zip(known, numbers, strict=False):
            person = state.person_no
            primary, others = keys[person]
            packed = pack_state(state._replace(seq=seq))
            rows.append((person, primary, shard, seq, packed, profile))
            published.append(Published(primary, packed, others, person))
        await store.keep(connection, tenant, rows)
    return published
