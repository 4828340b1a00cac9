"""The facts of people packed, and their segments kept, in the transaction that keeps their states."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.core import clock
from app.core.db import Database
from app.core.settings import Settings
from app.data.facts import build, packed, repacked
from app.data.facts.domain import Seen
from app.data.facts.packed import PersonFacts, Unpacked
from app.data.facts.standing import Edges
from app.data.identity.purposes import Defaults, purposes
from app.data.identity.traits import order_of, traits_of
from app.data.profiles import compute
from app.data.profiles.codec import NOTHING
from app.data.profiles.compute import Computed
from app.data.profiles.state_codec import Published, State
from app.data.profiles.store import Member
from app.data.segments import store
from app.data.segments.domain import Program
from app.data.segments.programs import Programs, programs

_NOBODY = Unpacked({}, [], [])
_SAME_S = 0.0005


async def recompute(db: Database, settings: Settings, tenant: int, shard: int, people: Sequence[int]) -> list[Published]:
    """Compute and store states, facts and segments of people of one shard; return what Redis must be told (see `compute.recompute`)."""
    return await compute.recompute(db, settings, tenant, shard, people, Packing(settings, programs(db)))


class Packing:
    """Packs facts, and lets people enter and leave segments as their facts say."""

    def __init__(self, settings: Settings, read: Programs) -> None:
        self._programs = read
        self._settings, self._defaults = settings, Defaults.of(settings)

    async def pack(self, connection: AsyncConnection, tenant: int, computed: Computed, numbers: Sequence[int]) -> list[bytes]:
        """Return packed facts of each state, under these sequence numbers."""
        program, edges = await self._programs.of(connection, tenant)
        people = [state.person_no for state in computed.states]
        values = labelled(program, edges, await self.values(connection, tenant, computed, edges))
        listed = await store.listed(connection, tenant, people) if program.lists else {}
        before = await store.before(connection, tenant, people)
        now = clock.now()
        due: dict[int, float | None] = {}
        entered, left, found = [], [], []
        for state, value, seq in zip(computed.states, values, numbers, strict=True):
            person = state.person_no
            inside, next_at = judged(program, edges, value, now.timestamp(), listed.get(person, ()), state)
            was, was_due = before[person]
            if _moved(was_due, next_at):
                due[person] = next_at
            entered += [(segment, person) for segment in inside if segment not in was]
            left += [(segment, person) for segment in sorted(was.difference(inside))]
            found.append(repacked.with_seq(repacked.with_segments(value, inside), seq))
        if len(computed.members) > len(people):
            await store.leave_joined(connection, tenant, people)
        await store.move(connection, tenant, entered, left, now)
        await store.due(connection, tenant, due)
        return found

    async def look(self, connection: AsyncConnection, tenant: int, computed: Computed) -> list[tuple[int, PersonFacts]]:
        """Return number and facts, with segments, of people whose facts are not kept; nothing is stored."""
        program, edges = await self._programs.of(connection, tenant)
        people = [state.person_no for state in computed.states]
        listed = await store.listed(connection, tenant, people) if program.lists else {}
        found = []
        values = labelled(program, edges, await self.values(connection, tenant, computed, edges))
        for state, value in zip(computed.states, values, strict=True):
            inside, _ = judged(program, edges, value, clock.now().timestamp(), listed.get(state.person_no, ()), state)
            person = packed.read(repacked.with_segments(value, inside))
            assert person is not None
            found.append((state.person_no, person))
        return found

    async def values(
        self, connection: AsyncConnection, tenant: int, computed: Computed, edges: Edges, before: datetime | None = None
    ) -> list[bytes]:
        """Return packed facts without segments; given `before`, of traits only what was told until then."""
        things = await self._programs.things(connection, tenant, set(computed.events.item.tolist()) - {0})
        place = {person: index for index, person in enumerate(computed.events.people.tolist())}
        # of those who withdrew consent nothing is packed, though their events are there
        own = dict(zip((state.person_no for state in computed.states), computed.profiles, strict=True))
        profiles = [own.get(person, NOTHING) for person in place]
        facts = build.facts(computed.events, profiles, things, edges.price)
        members = {root: list(group) for root, group in groupby(computed.members, key=lambda one: one.root_no)}
        found = []
        for state, profile in zip(computed.states, computed.profiles, strict=True):
            at = place.get(state.person_no)
            rest = facts[at] if at is not None and state.consent is not False else _NOBODY
            more = {**rest.more, **self._told(state, members[state.person_no], before)}
            found.append(packed.pack(profile, rest._replace(more=more)))
        return found

    def _told(self, state: State, members: Sequence[Member], before: datetime | None) -> Mapping[str, Any]:
        """Return what was told of a person: traits, consent, country; of one who withdrew consent that alone."""
        consent = purposes((one.purposes for one in members), state.consent, state.country, self._defaults)
        if state.consent is False:
            return {"c": consent}
        traits = traits_of((one.traits for one in members), order_of(self._settings.trait_sources))
        until = None if before is None else (before - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e6
        known = {name: one.value for name, one in traits.items() if until is None or one.at < until}
        told: dict[str, Any] = {"c": consent}
        if known:
            told["t"] = known
        if state.country:
            told["l"] = state.country
        return told


def _moved(was: datetime | None, at: float | None) -> bool:
    """Tell whether the moment at which somebody is due is another one."""
    return (was is None) != (at is None) if was is None or at is None else abs(was.timestamp() - at) > _SAME_S


def labelled(program: Program, edges: Edges, values: Sequence[bytes]) -> Sequence[bytes]:
    """Return packed facts with the clusters that people are in now; nothing is done where a shop has none."""
    if not program.labels:
        return values
    found, now = [], clock.now().timestamp()
    for value in values:
        labels = program.labels.of(Seen(person=packed.read(value), now=now, edges=edges))
        found.append(repacked.with_more(value, "k", labels) if labels else value)
    return found


def judged(
    program: Program, edges: Edges, value: bytes, now: float, listed: Sequence[int] | set[int], state: State | None = None
) -> tuple[list[int], float | None]:
    """Return the segments of a person, and when they must be judged again; one who withdrew consent is in none."""
    if state is not None and state.consent is False:
        return [], None
    person = packed.read(value)
    assert person is not None
    view = Seen(person=person, now=now, edges=edges)
    return program.judge(view, listed), program.next_change(view)
