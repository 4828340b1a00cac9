"""SQL of sends: what was announced, its audience as numbers of people, and how far prewarming is."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.access import audit
from app.core import locks
from app.core.db import Database, driver
from app.core.ids import PROBE, IdentityKind
from app.data.events.log import Position
from app.data.profiles import store as people_store
from app.sends.domain import Send, Status
from app.sends.forecast import Measured

USER_ID = int(IdentityKind.USER_ID)
_COLUMNS = ", ".join(one.name for one in fields(Send))
_OPEN = "status in ('waiting', 'warming', 'warm')"
_ANNOUNCED = (
    "name", "placement", "start_at", "duration_s", "everyone", "given", "duplicate", "unreadable", "audience", "strangers",
    "segment", "condition",
)  # fmt: skip
_COUNTS = ("warmed", "already_warm", "gone", "no_consent", "no_history", "failed")

# The next people of an audience by number, with their keys as users, consent, and the digest of their history.
_LISTED = "select person_no from send_person where tenant = $1 and send_no = $2 and person_no > $3 order by person_no limit $4"
_EVERYONE = f"""
select p.person_no from person p where p.tenant = $1 and $2::int is not null and p.person_no > $3
    and p.root_no = p.person_no and p.kind = {USER_ID} order by p.person_no limit $4
"""
_PEOPLE = f"""
with part as materialized (PART)
select part.person_no, p.person_no is not null, p.consent, s.digest, i.keys
from part
left join person p on p.tenant = $1 and p.person_no = part.person_no
left join person_state s on s.tenant = $1 and s.person_no = p.root_no
left join lateral (
    select array_agg(i.key) as keys from person m join person_identity i on i.tenant = $1 and i.person_no = m.person_no
    where m.tenant = $1 and m.root_no = p.root_no and i.kind = {USER_ID}
) i on true
order by part.person_no
"""
_STATES = """
select p.person_no, s.state from person p join person_state s on s.tenant = p.tenant and s.person_no = p.root_no
where p.tenant = $1 and p.person_no = any($2::bigint[])
"""
_COUNT_EVERYONE = f"select count(*) from person where tenant = :tenant and root_no = person_no and kind = {USER_ID}"


class Recipient(NamedTuple):
    """A person of an audience: `known` is false for someone erased since, `digest` of the history None without a state; `keys` as user."""

    person_no: int
    known: bool
    consent: int | None
    digest: int | None
    keys: list[bytes] | None


@dataclass(frozen=True)
class Matched:
    """What became of the keys of an audience: distinct ones, those that name somebody, and how many people these are."""

    distinct: int
    matched: int
    people: int


class Backlog(NamedTuple):
    """Events that are in nobody's state: the age of the oldest in seconds, and whether none was ever applied."""

    age_s: float
    first: bool


@dataclass
class Tally:
    """What became of the people of one slice."""

    warmed: int = 0
    already_warm: int = 0
    gone: int = 0
    no_consent: int = 0
    no_history: int = 0
    failed: int = 0

    def total(self) -> int:
        """All of them."""
        return sum(getattr(self, name) for name in _COUNTS)


def _send(row: Any) -> Send:
    values = dict(row._mapping)
    return Send(**{**values, "status": Status(values["status"])})


async def sends(db: Database, tenant: int, limit: int = 100, before: int | None = None, q: str = "") -> list[Send]:
    """Return the sends of a tenant, newest first, with numbers below `before` and a text in their name or placement."""
    sql = (
        f"select {_COLUMNS} from send where tenant = :tenant and (cast(:before as int) is null or send_no < :before) "
        "and (:q = '' or strpos(lower(name), lower(:q)) > 0 or strpos(placement, lower(:q)) > 0) order by send_no desc limit :limit"
    )
    return [_send(row) for row in await db.rows(sql, tenant=tenant, limit=limit, before=before, q=q)]


async def send(db: Database, tenant: int, send_no: int) -> Send | None:
    """Return one send."""
    rows = await db.rows(f"select {_COLUMNS} from send where tenant = :tenant and send_no = :send_no", tenant=tenant, send_no=send_no)
    return _send(rows[0]) if rows else None


async def unfinished(db: Database, tenant: int | None = None) -> list[Send]:
    """Return the sends that are neither over nor cancelled, of all tenants or of one, the earliest start first."""
    sql = f"select {_COLUMNS} from send where {_OPEN} and (cast(:tenant as smallint) is null or tenant = :tenant)"
    return [_send(row) for row in await db.rows(f"{sql} order by start_at, tenant, send_no", tenant=tenant)]


async def begin_audience(connection: AsyncConnection) -> None:
    """Open a place for keys that lasts until the transaction ends."""
    await connection.execute(text("create temporary table send_key (key bytea not null) on commit drop"))


async def add_keys(connection: AsyncConnection, keys: Sequence[bytes]) -> None:
    """Add keys of an audience; repeated ones are sorted out later."""
    await (await driver(connection)).copy_records_to_table("send_key", records=[(key,) for key in keys], columns=["key"])


async def match_keys(connection: AsyncConnection, tenant: int) -> Matched:
    """Find out whom the keys name."""
    sql = (
        "select count(*), count(i.key), count(distinct p.root_no) from (select distinct key from send_key) k "
        "left join person_identity i on i.tenant = :tenant and i.key = k.key "
        "left join person p on p.tenant = i.tenant and p.person_no = i.person_no"
    )
    row = (await connection.execute(text(sql), {"tenant": tenant})).one()
    return Matched(*row)


async def count_everyone(db: Database, tenant: int) -> int:
    """Return how many people have a user id."""
    return int((await db.rows(_COUNT_EVERYONE, tenant=tenant))[0][0])


async def add(connection: AsyncConnection, one: Send) -> int:
    """Insert a send as it was announced and return its number."""
    names = ("tenant", *_ANNOUNCED)
    sql = f"insert into send ({', '.join(names)}) values ({', '.join(f':{name}' for name in names)}) returning send_no"
    return int((await connection.execute(text(sql), {name: getattr(one, name) for name in names})).scalar_one())


async def add_people(connection: AsyncConnection, one: Send) -> None:
    """Make the people whom the keys name the audience of a send."""
    sql = (
        "insert into send_person (tenant, send_no, person_no) "
        "select distinct cast(:tenant as smallint), cast(:send_no as int), p.root_no "
        "from send_key k join person_identity i on i.tenant = :tenant and i.key = k.key "
        "join person p on p.tenant = i.tenant and p.person_no = i.person_no"
    )
    await connection.execute(text(sql), {"tenant": one.tenant, "send_no": one.send_no})


async def people(db: Database, one: Send, after: int, limit: int) -> list[Recipient]:
    """Return the next people of a send's audience."""
    sql = _PEOPLE.replace("PART", _EVERYONE if one.everyone else _LISTED)
    async with db.begin() as connection:
        rows = await (await driver(connection)).fetch(sql, one.tenant, one.send_no, after, limit)
    return [Recipient(*row) for row in rows]


async def states(db: Database, tenant: int, numbers: Sequence[int]) -> dict[int, bytes]:
    """Return the packed states of people by number."""
    async with db.begin() as connection:
        return dict(await (await driver(connection)).fetch(_STATES, tenant, list(numbers)))


async def begin_pass(db: Database, one: Send, audience: int, made_for: str, note: str) -> bool:
    """Begin a pass over an audience of so many; False when the send was changed meanwhile."""
    zero = ", ".join(f"{name} = 0" for name in _COUNTS)
    count = await db.run(
        f"update send set status = 'warming', pass_no = pass_no + 1, made_for = :made_for, note = :note, position = -1, {zero}, "
        "audience = :audience, rate_per_s = null, pass_started_at = now(), pass_finished_at = null "
        f"where tenant = :tenant and send_no = :send_no and pass_no = :pass_no and {_OPEN}",
        tenant=one.tenant,
        send_no=one.send_no,
        pass_no=one.pass_no,
        made_for=made_for,
        note=note,
        audience=audience,
    )
    return bool(count)


async def advance(db: Database, one: Send, to: int, tally: Tally, rate_per_s: float, *, last: bool) -> bool:
    """Move the position of a pass and add what became of the people; False when the send was changed meanwhile.

    Position and counts move in one statement, from the position that was read: a slice that was done twice counts once.
    """
    counts = ", ".join(f"{name} = {name} + :{name}" for name in _COUNTS)
    ended = ", status = 'warm', pass_finished_at = now()" if last else ""
    # people come and go while everyone is written to
    ended += ", audience = strangers + " + " + ".join(f"{n} + :{n}" for n in _COUNTS) if last and one.everyone else ""
    count = await db.run(
        f"update send set position = :to, {counts}, scored = scored + :warmed, rate_per_s = :rate{ended} "
        "where tenant = :tenant and send_no = :send_no and pass_no = :pass_no and position = :position and status = 'warming'",
        tenant=one.tenant,
        send_no=one.send_no,
        pass_no=one.pass_no,
        position=one.position,
        to=to,
        rate=rate_per_s,
        **{name: getattr(tally, name) for name in _COUNTS},
    )
    return bool(count)


async def set_note(db: Database, one: Send, note: str) -> None:
    """Say why a send does not move on."""
    if note != one.note:
        sql = f"update send set note = :note where tenant = :tenant and send_no = :send_no and {_OPEN}"
        await db.run(sql, tenant=one.tenant, send_no=one.send_no, note=note)


async def close(db: Database, tenant: int, send_no: int, status: Status, note: str = "", who: str = "") -> bool:
    """End a send and forget whom it went to, in the name of who calls it off, if somebody does; False when it had ended before."""
    async with db.begin() as connection:
        sql = f"update send set status = :status, note = :note where tenant = :tenant and send_no = :send_no and {_OPEN}"
        values = {"tenant": tenant, "send_no": send_no}
        done = (await connection.execute(text(sql), {**values, "status": status, "note": note})).rowcount
        await connection.execute(text("delete from send_person where tenant = :tenant and send_no = :send_no"), values)
        if done and who:
            await audit.record(connection, tenant, who, "call off", "send", str(send_no))
    return bool(done)


_LEADS = """
select exists (
    select from pg_locks where locktype = 'advisory' and granted and (classid::bigint << 32) + objid::bigint = :lock
    and database = (select oid from pg_database where datname = current_database())
)
"""
_UNAPPLIED = """
select extract(epoch from now() - received_at)::float8 from event
where tenant = :tenant and (xid, event_no) > (cast(cast(:xid as text) as xid8), :event_no) order by xid, event_no limit 1
"""
# By arrival, which has an index; a file that was imported in any order shows its newest events among its last rows.
_NEWEST = """
select max(occurred_at) from (
    select occurred_at from event where tenant = :tenant and person_no <> :probe order by received_at desc limit :among
) newest
"""
_AGES = """
select exists (select from item where tenant = :tenant and available and not absent),
    (select changed_at from change where tenant = :tenant and area = 'catalogue'),
    (select min(computed_at) from popular_list where tenant = :tenant and segment = '')
"""
_MEASURED = """
select workers, cpus, cpu_us, requests, measured_at, snapshot_age_s, seen_at from capacity where tenant = :tenant
"""


async def worker_leads(db: Database) -> bool:
    """Tell whether a worker is at work."""
    return bool((await db.rows(_LEADS, lock=locks.LEADER))[0][0])


async def backlog(db: Database, tenant: int) -> Backlog:
    """Look for events that are in nobody's state yet."""
    kept = await people_store.reached(db, tenant)
    first, at = kept is None, kept.position if kept is not None else Position()
    rows = await db.rows(_UNAPPLIED, tenant=tenant, xid=str(at.xid), event_no=at.event_no)
    return Backlog(max(0.0, rows[0][0]), first) if rows else Backlog(0.0, False)


async def newest_event(db: Database, tenant: int, among: int) -> datetime | None:
    """Return when the newest of the last events happened."""
    moment: datetime | None = (await db.rows(_NEWEST, tenant=tenant, among=among, probe=PROBE))[0][0]
    return moment


async def content_ages(db: Database, tenant: int) -> tuple[bool, datetime | None, datetime | None]:
    """Tell whether an item is available, when the catalogue last changed, and when the popular lists were computed."""
    has_items, changed, computed = (await db.rows(_AGES, tenant=tenant))[0]
    return bool(has_items), changed, computed


async def measured(db: Database, tenant: int) -> list[Measured]:
    """Return what server processes told of themselves."""
    return [Measured(*row) for row in await db.rows(_MEASURED, tenant=tenant)]
