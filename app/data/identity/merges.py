"""SQL of merges: what links people, the groups that links make, and what a group's members share.

A link is a row of `person_merge`; the group a person belongs to stands in `person.root_no`, the number of one of its members. Groups
change under one lock a tenant, taken only when a link is new, so that two transactions never work from half of the links.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from app.core import locks
from app.core.db import driver
from app.core.ids import IdentityKind
from app.core.logging import log
from app.core.telemetry import MERGES, MERGES_REFUSED
from app.data import outbox
from app.data.identity.domain import Evidence, Link, Said, consent_of, group, rank

_USER = int(IdentityKind.USER_ID)

_STORED = """
select m.from_no, m.to_no, m.evidence, m.occurred_at, m.message_id, m.undone_at
from unnest($2::bigint[], $3::bigint[]) v(from_no, to_no)
cross join lateral (select * from person_merge where tenant = $1 and from_no = v.from_no and to_no = v.to_no limit 1) m
"""
# What the link says is the earliest of its messages, so that neither order nor repetition matter. People erased meanwhile have none.
_TELL = """
insert into person_merge as m (tenant, from_no, to_no, from_kind, to_kind, evidence, occurred_at, message_id)
select $1, v.* from unnest($2::bigint[], $3::bigint[], $4::smallint[], $5::smallint[], $6::smallint[], $7::timestamptz[], $8::bytea[])
    v(from_no, to_no, from_kind, to_kind, evidence, occurred_at, message_id)
where exists (select from person where tenant = $1 and person_no = v.from_no)
    and exists (select from person where tenant = $1 and person_no = v.to_no)
on conflict (tenant, from_no, to_no) do update set
    evidence = greatest(m.evidence, excluded.evidence),
    occurred_at = least(m.occurred_at, excluded.occurred_at),
    message_id = case when (excluded.occurred_at, excluded.message_id) < (m.occurred_at, m.message_id)
        then excluded.message_id else m.message_id end
where m.undone_at is null
"""
_REVIVE = """
update person_merge m set undone_at = null, evidence = $6, occurred_at = v.occurred_at, message_id = v.message_id
from unnest($2::bigint[], $3::bigint[], $4::timestamptz[], $5::bytea[]) v(from_no, to_no, occurred_at, message_id)
where m.tenant = $1 and m.from_no = v.from_no and m.to_no = v.to_no and v.occurred_at > m.undone_at and v.message_id <> m.message_id
returning m.from_no, m.to_no
"""
_GROUPS = """
select distinct m.person_no from unnest($2::bigint[]) n
cross join lateral (select root_no from person where tenant = $1 and person_no = n limit 1) p
cross join lateral (select person_no from person where tenant = $1 and root_no = p.root_no order by root_no limit 2000) m
"""
# The links of people that can count: of a weaker id's only the first; of those to a person as many as its group may have members.
# Each part is read in an index's order, and the limits keep the planner from any other way while it knows nothing of the table.
_COLUMNS = "m.from_no, m.to_no, m.from_kind, m.to_kind, m.occurred_at, m.message_id"
_FROM = f"""
    (select {_COLUMNS} from person_merge m where m.tenant = $1 and m.from_no = k and m.from_kind KINDS and m.undone_at is null
        order by m.to_kind, m.occurred_at, m.message_id limit MOST)
"""
_TO = f"""
    (select {_COLUMNS} from person_merge m where m.tenant = $1 and m.to_no = k and m.from_kind = KIND and m.undone_at is null WINS
        order by m.occurred_at, m.message_id limit MOST)
"""
_WINS = f"""and m.merge_no = (
        select e.merge_no from person_merge e where e.tenant = $1 and e.from_no = m.from_no and e.from_kind > {_USER}
            and e.undone_at is null order by e.to_kind, e.occurred_at, e.message_id limit 1
    )"""
_MOST_ALIASES = "1000"
_LINKS = f"""
select l.* from unnest($2::bigint[]) k cross join lateral (
    {_FROM.replace("KINDS", f"> {_USER}").replace("MOST", "1")}
    union all {_FROM.replace("KINDS", f"= {_USER}").replace("MOST", _MOST_ALIASES)}
    union all {_TO.replace("KIND", str(_USER)).replace("WINS", "").replace("MOST", _MOST_ALIASES)}
    union all {_TO.replace("KIND", "2").replace("WINS", _WINS).replace("MOST", "$3")}
    union all {_TO.replace("KIND", "3").replace("WINS", _WINS).replace("MOST", "$3")}
) l
"""
_MEMBERS = """
select p.person_no, p.root_no, p.kind, p.consent, p.said, p.overruled_by, i.key
from unnest($2::bigint[]) n
cross join lateral (select * from person where tenant = $1 and person_no = n limit 1) p
left join lateral (
    select key from person_identity where tenant = $1 and person_no = n order by is_primary desc, key limit 1
) i on true
"""
_SET = """
with changed as materialized (
    select p.person_no, v.root_no, v.consent from person p
    join unnest($2::bigint[], $3::bigint[], $4::smallint[]) v(person_no, root_no, consent) using (person_no)
    where p.tenant = $1 order by p.person_no for no key update of p
)
update person p set root_no = changed.root_no, consent = changed.consent,
    root_xid = case when p.root_no <> changed.root_no then pg_current_xact_id() else p.root_xid end
from changed where p.tenant = $1 and p.person_no = changed.person_no
"""
_DROP = "delete from person_merge where tenant = $1 and (from_no, to_no) in (select * from unnest($2::bigint[], $3::bigint[]))"

_SAY = """
update person p set said = case when p.person_no = one.person_no then $3 else p.said end,
    consent_at = case when p.person_no = one.person_no then $4 else p.consent_at end,
    overruled_by = case when p.person_no = one.person_no then null when $3 = 1 and p.said = 0 then one.person_no else p.overruled_by end
from person one where one.tenant = $1 and one.person_no = $2 and p.tenant = $1 and p.root_no = one.root_no
"""


class Told(NamedTuple):
    """What a message says of two people: that they are one."""

    from_no: int
    to_no: int
    from_kind: int
    to_kind: int
    evidence: int
    occurred_at: datetime
    message_id: bytes


@dataclass
class Regrouped:
    """What became of people: `moved` are those whose group has another name now, with its old and its new one."""

    moved: dict[int, tuple[int, int]]
    roots: dict[int, int]
    refused: dict[int, bool]
    full: set[tuple[int, int]]


def told(from_no: int, from_kind: int, to_no: int, to_kind: int, evidence: Evidence, at: datetime, message_id: bytes) -> Told:
    """Return what a message says; of two users the lower number comes first, so that a link has one spelling."""
    if from_kind == to_kind == _USER and from_no > to_no:
        from_no, to_no = to_no, from_no
    return Told(from_no, to_no, from_kind, to_kind, int(evidence), at, message_id)


async def lock(connection: AsyncConnection, tenant: int) -> None:
    """Become the only one who changes groups of a tenant until the transaction ends."""
    await (await driver(connection)).execute("select pg_advisory_xact_lock($1, $2)", locks.MERGES, tenant)


async def link(
    connection: AsyncConnection, tenant: int, every: Iterable[Told], *, most: int, fresh: Collection[int] = (), coming: Collection[int] = ()
) -> set[int]:
    """Store what messages say of people and form the groups anew; return the people who changed group.

    A group gets at most `most` members; links beyond are counted. A link that was undone is made again only by an alias of later.
    `fresh` people have no state yet, those in `coming` get events in this transaction, which bring their group's state.
    """
    found = [one for one in every if one.from_no != one.to_no]
    new = await _new(connection, tenant, found)
    if not new:
        return set()
    await lock(connection, tenant)
    below = await driver(connection)
    await below.execute(_TELL, tenant, *_columns(new))
    aliases = [one for one in found if one.evidence == Evidence.ALIAS]
    if aliases:
        latest = {(one.from_no, one.to_no): one for one in sorted(aliases, key=lambda one: one[5:])}
        pairs = sorted((*pair, one.occurred_at, one.message_id) for pair, one in latest.items())
        await below.fetch(_REVIVE, tenant, *_columns(pairs), int(Evidence.ALIAS))
    done = await regroup(connection, tenant, {one[0] for one in new} | {one[1] for one in new}, most)
    refused = done.full & {one[:2] for one in new}
    MERGES.inc(len(done.moved))
    if refused:
        MERGES_REFUSED.inc(len(refused))
        log.warning("people.group_full", tenant=tenant, links=len(refused), most=most)
    await tell(connection, tenant, done, fresh, coming)
    return set(done.moved)


async def tell(
    connection: AsyncConnection, tenant: int, done: Regrouped, fresh: Collection[int] = (), coming: Collection[int] = ()
) -> list[int]:
    """Post the changes that no event brings to states; return their numbers in the outbox."""
    arriving = {done.roots[person] for person in coming if person in done.roots}
    people: set[int] = set()
    for person, (old, new) in done.moved.items():
        if person not in fresh:
            people |= {root for root in (old, new) if done.roots.get(root) == root and (root not in arriving or done.refused[root])}
    return [await outbox.post(connection, tenant, "merge", person, {}) for person in sorted(people)]


async def regroup(connection: AsyncConnection, tenant: int, touched: Collection[int], most: int) -> Regrouped:
    """Form the groups of people anew from all links, and store which they are and what they said together.

    The caller holds `lock`. A link between two users that would make a group too large is dropped.
    """
    below = await driver(connection)
    links: set[Link] = set()
    frontier = {row[0] for row in await below.fetch(_GROUPS, tenant, list(touched))}
    seen = set(frontier)
    while frontier:
        rows = await below.fetch(_LINKS, tenant, sorted(frontier), most)
        links |= {Link(rank(row[2], row[3]), row[4], row[5], row[0], row[1]) for row in rows}
        frontier = {person for row in rows for person in row[:2]} - seen
        seen |= frontier
    members = {row[0]: row for row in await below.fetch(_MEMBERS, tenant, sorted(seen))}
    of, full = group({person: row[2] for person, row in members.items()}, links, most)
    if dropped := sorted({(link.from_no, link.to_no) for link in full if not link.rank}):
        await below.execute(_DROP, tenant, *_columns(dropped))
    roots: dict[int, int] = {}
    consents: dict[int, bool | None] = {}
    for group_members in {id(found): found for found in of.values()}.values():
        # users first, then by what the id hashes to: neither depends on who came first
        root = min(group_members, key=lambda person: (members[person][2], members[person][6] or b"", person))
        consent = consent_of(Said(p, None if members[p][4] is None else bool(members[p][4]), members[p][5]) for p in group_members)
        for person in group_members:
            roots[person], consents[person] = root, consent
    moved = {p: (row[1], roots[p]) for p, row in members.items() if row[1] != roots[p]}
    changed = [
        (p, roots[p], None if consents[p] is None else int(bool(consents[p])))
        for p, row in members.items()
        if p in moved or row[3] != (None if consents[p] is None else int(bool(consents[p])))
    ]
    if changed:
        await below.execute(_SET, tenant, *_columns(changed))
    return Regrouped(moved, roots, {p: consents[p] is False for p in roots}, {(one.from_no, one.to_no) for one in full})


async def say(connection: AsyncConnection, tenant: int, person_no: int, granted: bool, most: int, at: datetime) -> None:
    """Store what a person said about personal answers, and when; a yes overrules what other members of the group refused before."""
    await lock(connection, tenant)
    await (await driver(connection)).execute(_SAY, tenant, person_no, int(granted), at)
    await regroup(connection, tenant, [person_no], most)


async def _new(connection: AsyncConnection, tenant: int, every: Sequence[Told]) -> list[Told]:
    """Return what is not known yet: of each link the earliest message, with the strongest evidence."""
    first: dict[tuple[int, int], Told] = {}
    for one in sorted(every, key=lambda one: one[5:]):
        known = first.setdefault(one[:2], one)
        if one.evidence > known.evidence:
            first[one[:2]] = known._replace(evidence=one.evidence)
    if not first:
        return []
    rows = await (await driver(connection)).fetch(_STORED, tenant, *_columns(sorted(first)))
    stored = {(row[0], row[1]): row for row in rows}
    return [first[pair] for pair in sorted(first) if pair not in stored or _says_more(first[pair], stored[pair])]


def _says_more(one: Told, row: Any) -> bool:
    if row[5] is not None:
        return one.evidence == Evidence.ALIAS
    return one.evidence > row[2] or one[5:] < (row[3], row[4])


def _columns(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
