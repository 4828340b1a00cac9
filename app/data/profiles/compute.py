"""From a person's facts to their packed state, in one transaction that owns the shard."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import NamedTuple, Protocol

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core import clock
from app.core.db import Database
from app.core.settings import Settings
from app.data.identity.domain import newest_country
from app.data.identity.purposes import tracking_said
from app.data.profiles import build, store
from app.data.profiles import event_columns as summing
from app.data.profiles.codec import NOTHING
from app.data.profiles.event_columns import Events
from app.data.profiles.state_codec import LARGEST_TIMES, Published, State, empty_state, history_digest, pack_state

PEOPLE_AT_ONCE = 500


class Computed(NamedTuple):
    """What was computed of groups of ids, in the order of `states`: their events, who belongs to them, state and packed profile each."""

    events: Events
    members: Sequence[store.Member]
    states: list[State]
    profiles: list[bytes]


class Packer(Protocol):
    """What makes of it the facts of people, in the transaction that keeps them."""

    async def pack(self, connection: AsyncConnection, tenant: int, computed: Computed, numbers: Sequence[int]) -> list[bytes]:
        """Return packed facts of each state, under these sequence numbers."""
        ...


async def states(
    connection: AsyncConnection, tenant: int, people: Sequence[int], history: int, bought: int, before: datetime | None = None
) -> list[tuple[State, bytes]]:
    """Return state and packed profile of groups by their roots, with 0 for a sequence number; one that withdrew consent keeps neither.

    A number that is no root has none. Given `before`, nothing that happened or was told from that moment on is in them, but for consent.
    """
    found = await compute(connection, tenant, people, history, bought, before)
    return list(zip(found.states, found.profiles, strict=True))


async def compute(
    connection: AsyncConnection, tenant: int, people: Sequence[int], history: int, bought: int, before: datetime | None = None
) -> Computed:
    """Return what `states` does, with what it was computed from."""
    members = await store.members(connection, tenant, people)
    events = await store.events(connection, tenant, {one.person_no: one.root_no for one in members}, before)
    facts, profiles = summing.gather(events, history, bought), build.profiles(events)
    place = {person: index for index, person in enumerate(facts.person.tolist())}
    last_at = np.clip(facts.last_at, 0, 0xFFFFFFFF).astype(np.uint32)
    groups, kinds = facts.groups.astype(np.uint32), facts.kinds.astype(np.uint8)
    times = np.minimum(facts.times, LARGEST_TIMES).astype(np.uint16)
    bought_groups, days = facts.bought.astype(np.uint32), np.clip(facts.bought_day, 0, 0xFFFF).astype(np.uint16)
    bounds, bought_bounds, seen = facts.bounds.tolist(), facts.bought_bounds.tolist(), facts.last_seen.tolist()
    found, kept = [], []
    for person, group in groupby(members, key=lambda one: one.root_no):
        told = list(group)
        consent, country = told[0].consent, newest_country(_countries(told, before))
        at, tracking = place.get(person), tracking_said(one.purposes for one in told)
        if at is None or consent is False:
            found.append(_empty(person, consent, country, tracking))
            kept.append(NOTHING)
            continue
        own, purchases = slice(bounds[at], bounds[at + 1]), slice(bought_bounds[at], bought_bounds[at + 1])
        state = State(
            *(0, person, consent, country, seen[at]),
            groups[own],
            last_at[own],
            kinds[own],
            times[own],
            facts.amounts[own],
            bought_groups[purchases],
            days[purchases],
            tracking,
        )
        found.append(state)
        kept.append(profiles[at])
    return Computed(events, members, found, kept)


def _empty(person: int, consent: bool | None, country: str, tracking: bool | None) -> State:
    return empty_state(0, person, consent, country if consent is not False else "", tracking=tracking)


def _countries(told: Sequence[store.Member], before: datetime | None) -> list[tuple[str, datetime | None]]:
    return [(one.country, one.country_at) for one in told if before is None or one.country_at is None or one.country_at < before]


async def recompute(
    db: Database, settings: Settings, tenant: int, shard: int, people: Sequence[int], packer: Packer | None = None
) -> list[Published]:
    """Compute and store the states of people of one shard from all their events, and their facts; return what Redis must be told.

    Sequence numbers are drawn before anything is read, under the shard's lock: of two readings of one person, the later number is the
    later reading. People may join a group of another shard meanwhile; whoever posts that lets the group draw a later number still.
    """
    async with db.begin() as connection:
        await store.own(connection, tenant, shard)
        numbers = await store.sequence(connection, len(people))
        found = await compute(connection, tenant, people, settings.history_items, settings.bought_items, clock.held(settings))
        keys = await store.keys(connection, tenant, people)
        known = [place for place, state in enumerate(found.states) if state.person_no in keys]
        if not known:
            return []
        found = found._replace(states=[found.states[one] for one in known], profiles=[found.profiles[one] for one in known])
        numbers = numbers[: len(known)]
        facts = await packer.pack(connection, tenant, found, numbers) if packer else [b""] * len(known)
        rows, published = [], []
        for state, profile, own, seq in zip(found.states, found.profiles, facts, numbers, strict=True):
            person = state.person_no
            primary, others = keys[person]
            packed = pack_state(state._replace(seq=seq))
            rows.append((person, primary, shard, seq, history_digest(packed), packed, profile, own))
            published.append(Published(primary, packed, others, person, own))
        await store.keep(connection, tenant, rows)
    return published
