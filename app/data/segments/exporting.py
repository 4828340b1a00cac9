"""Facts of people as a table, as of now or of any moments before: what a model is trained on."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from app.core import clock
from app.core.db import Database, driver
from app.core.ids import IdentityKind, person_key
from app.core.settings import Settings
from app.data.conditions import parsing
from app.data.conditions.syntax import Fact, Wrong
from app.data.facts import packed
from app.data.facts.domain import Ref, Seen, Subject
from app.data.facts.entries import Facts
from app.data.profiles.compute import PEOPLE_AT_ONCE, compute
from app.data.segments.packing import Packing
from app.data.segments.programs import programs

_PEOPLE = """
select i.key, p.root_no from person_identity i join person p on p.tenant = i.tenant and p.person_no = i.person_no
where i.tenant = $1 and i.key = any($2::bytea[])
"""


class Row(NamedTuple):
    """The facts of a person as of a moment; None for what was unknown."""

    user_id: str
    at: datetime
    values: list[Any]


def refs(names: Iterable[str], facts: Facts) -> list[Ref]:
    """Read the names of facts of people as conditions spell them; raises Wrong."""
    found = []
    for name in names:
        node = parsing.formula(name, facts)
        if not isinstance(node, Fact) or facts.of(node.ref).subject is not Subject.PERSON:
            raise Wrong(f"{name} is no fact of a person")
        found.append(node.ref)
    return found


async def rows(
    db: Database, settings: Settings, tenant: int, wanted: Sequence[Ref], moments: Iterable[tuple[str, datetime | None]]
) -> AsyncIterator[list[Row]]:
    """Give the facts of people by user id, each as of its moment (None: now), in pages; those whom nobody knows are left out.

    As of a moment counts what happened before it and what was told before it, of consent what holds now: nothing is given of those who
    withdrew it. Segments are those of now, so nobody is in one in rows of the past, and a trait that was told anew since
    is unknown. People of one moment are read together.
    """
    by_moment: dict[datetime | None, list[str]] = {}
    for user_id, at in moments:
        by_moment.setdefault(at, []).append(user_id)
    async with db.begin() as connection:
        program, edges = await programs(db).of(connection, tenant)
    reads = [program.facts.of(ref).reading(ref) for ref in wanted]
    for at, users in sorted(by_moment.items(), key=lambda one: one[0] or datetime.max.replace(tzinfo=UTC)):
        named = list(dict.fromkeys(users))
        for first in range(0, len(named), PEOPLE_AT_ONCE):
            some = named[first : first + PEOPLE_AT_ONCE]
            people = await _people(db, settings, tenant, some, at)
            moment = at or clock.now()
            page = []
            for user_id in some:
                if user_id in people:
                    view = Seen(person=people[user_id], now=moment.timestamp(), edges=edges)
                    page.append(Row(user_id, moment, [_plain(read(view)) for read in reads]))
            yield page


async def _people(
    db: Database, settings: Settings, tenant: int, users: Sequence[str], at: datetime | None
) -> dict[str, packed.PersonFacts]:  # fmt: skip
    """Return the facts of people by user id, as of a moment."""
    keys = {person_key(tenant, int(IdentityKind.USER_ID), user): user for user in users}
    packing = Packing(settings, programs(db))
    async with db.begin() as connection:
        rows = await (await driver(connection)).fetch(_PEOPLE, tenant, list(keys))
        roots = {keys[bytes(row[0])]: row[1] for row in rows}
        computed = await compute(
            connection, tenant, sorted(set(roots.values())), settings.history_items, settings.bought_items, at or clock.held(settings)
        )
        if at is None:
            found = dict(await packing.look(connection, tenant, computed))
        else:
            _, edges = await programs(db).of(connection, tenant)
            values = await packing.values(connection, tenant, computed, edges, at)
            read = ((state.person_no, packed.read(value)) for state, value in zip(computed.states, values, strict=True))
            found = {person: one for person, one in read if one is not None}
    return {user: found[root] for user, root in roots.items() if root in found}


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else value
