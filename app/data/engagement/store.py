"""SQL of the reader of signals: what is new in the log, what belongs to a serve, and the marks."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core import locks
from app.core.db import driver
from app.data.events.log import Follower, Position, unread
from app.data.kinds import Signal
from app.data.profiles.orders import CONCERNED

_RESPONSES = [int(Signal.OPEN), int(Signal.CLICK)]
# A stretch of the log that ends where no transaction is still open; of it only what concerns signals and orders, and its last row.
_NEWS = f"""
with part as materialized (
    select xid, event_no, person_no, kind, signal, occurred_at, recommendation_id, campaign from event e
    where tenant = $1 and {unread()}
    order by xid, event_no limit $4
), last as (select xid, event_no from part order by xid desc, event_no desc limit 1)
select p.xid::text, p.event_no, p.person_no, p.kind, p.signal, p.occurred_at, p.recommendation_id, p.campaign,
    (select count(*) from part) from part p, last
where p.signal is not null or p.kind in {CONCERNED} or (p.xid, p.event_no) = (last.xid, last.event_no)
order by p.xid, p.event_no
"""
_REGROUPED = f"""
select root_xid::text, person_no from person
where tenant = $1 and root_xid is not null and {unread("root_xid", "person_no")}
order by root_xid, person_no limit $4
"""
_SERVES = """
select e.recommendation_id, e.received_at, e.event_no, extract(epoch from e.occurred_at)::float8, e.signal, e.item_no, e.client, e.mark,
    coalesce(p.root_no, e.person_no), e.campaign
from event e left join person p on p.tenant = e.tenant and p.person_no = e.person_no
where e.tenant = $1 and e.recommendation_id = any($2::bytea[]) and e.signal = any($3::smallint[])
"""
_DELIVERED = f"""
select p.root_no, e.campaign, extract(epoch from e.occurred_at)::float8
from person p join event e on e.tenant = p.tenant and e.person_no = p.person_no
where p.tenant = $1 and p.root_no = any($2::bigint[]) and e.signal = {int(Signal.DELIVERED)} and e.campaign = any($3::text[])
"""
_CLICKED = f"""
select distinct e.recommendation_id from event e
where e.tenant = $1 and e.signal = {int(Signal.CLICK)} and e.campaign = any($3::text[]) and e.recommendation_id is not null
    and e.person_no in (
        select m.person_no from person one join person m on m.tenant = one.tenant and m.root_no = one.root_no
        where one.tenant = $1 and one.person_no = any($2::bigint[])
    )
"""
# A marked event gets a new place in the log: whoever reads it computes anew what it computed from the event before.
_MARK = """
update event e set mark = v.mark, xid = pg_current_xact_id()
from unnest($2::timestamptz[], $3::bigint[], $4::smallint[]) v(received_at, event_no, mark)
where e.tenant = $1 and e.received_at = v.received_at and e.event_no = v.event_no and e.mark is distinct from v.mark
"""


SIGNALS = Follower("signals", _NEWS)
# the log of people whose group changed, which are places whose `event_no` is the person's number
REGROUPED = Follower("regrouped", _REGROUPED)


class New(NamedTuple):
    """A signal or a row of an order, and its place in the log."""

    at: Position
    person_no: int
    kind: int
    signal: int | None
    occurred_at: datetime
    recommendation_id: bytes | None
    campaign: str | None


class Heard(NamedTuple):
    """An open or a click of a serve; `root_no` is the person's group, 0 for nobody."""

    recommendation_id: bytes
    received_at: datetime
    event_no: int
    at: float
    signal: int
    item_no: int | None
    client: int | None
    mark: int | None
    root_no: int
    campaign: str | None


async def own(connection: AsyncConnection, tenant: int) -> None:
    """Become the one reader of a tenant's signals until the transaction ends."""
    await connection.execute(text("select pg_advisory_xact_lock(:space, :tenant)"), {"space": locks.ENGAGEMENT, "tenant": tenant})


async def news(connection: AsyncConnection, tenant: int, after: Position, most: int) -> tuple[list[New], int]:
    """Return the signals and orders among the next `most` events, and how many those are.

    The last one is the place reached, whatever it is.
    """
    rows = await SIGNALS.news(connection, tenant, after, most)
    return [New(Position(int(row[0]), row[1]), *row[2:8]) for row in rows], rows[0][8] if rows else 0


async def regrouped(connection: AsyncConnection, tenant: int, after: Position, most: int) -> list[Position]:
    """Return the next people whose group changed, as places whose `event_no` is the person's number."""
    rows = await REGROUPED.news(connection, tenant, after, most)
    return [Position(int(row[0]), row[1]) for row in rows]


async def responses(connection: AsyncConnection, tenant: int, recommendations: Collection[bytes]) -> list[Heard]:
    """Return all opens and clicks of serves."""
    rows = await (await driver(connection)).fetch(_SERVES, tenant, list(recommendations), _RESPONSES)
    return [Heard(*row) for row in rows]


async def delivered(
    connection: AsyncConnection, tenant: int, roots: Collection[int], campaigns: Collection[str]
) -> list[tuple[int, str, float]]:
    """Return group, campaign and moment (unix seconds) of the deliveries of campaigns to groups of people."""
    return [tuple(row) for row in await (await driver(connection)).fetch(_DELIVERED, tenant, list(roots), list(campaigns))]


async def clicked(connection: AsyncConnection, tenant: int, people: Collection[int], campaigns: Collection[str]) -> set[bytes]:
    """Return the serves of campaigns that people, or others of their groups, clicked."""
    return {row[0] for row in await (await driver(connection)).fetch(_CLICKED, tenant, list(people), list(campaigns))}


async def mark(connection: AsyncConnection, tenant: int, marks: Sequence[tuple[datetime, int, int | None]]) -> None:
    """Set or take marks of events by arrival and number."""
    if marks:
        await (await driver(connection)).execute(_MARK, tenant, *(list(column) for column in zip(*marks, strict=True)))
