"""SQL of the demo: whether its events are in, and what a person did lately."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import Database
from app.core.ids import IdentityKind, person_key

SOURCE = "demo shop"


@dataclass(frozen=True)
class Deed:
    """The strongest thing a person did to an item group, and when they last touched it; `times` counts that kind."""

    item_id: str
    kind: int
    times: int
    last_at: datetime


async def has_events(db: Database, tenant: int) -> bool:
    """Tell whether the demo's events landed: their source is made in the same transaction."""
    rows = await db.rows("select exists (select from event_source where tenant = :tenant and name = :name)", tenant=tenant, name=SOURCE)
    return bool(rows[0][0])


async def has_items(db: Database, tenant: int) -> bool:
    """Tell whether there is a catalogue."""
    return bool((await db.rows("select exists (select from item where tenant = :tenant)", tenant=tenant))[0][0])


async def add_source(connection: AsyncConnection, tenant: int) -> int:
    """Make the source of the demo's events and return its number."""
    statement = text("insert into event_source (tenant, name) values (:tenant, :name) returning source_no")
    return int((await connection.execute(statement, {"tenant": tenant, "name": SOURCE})).scalar_one())


async def analyze(db: Database) -> None:
    """Let the planner know the tables that were filled at once."""
    for table in ("event", "person", "person_identity", "item"):
        await db.run(f"analyze {table}")


async def deeds(db: Database, tenant: int, user_id: str, most: int = 12) -> list[Deed]:
    """Return the item groups that a person last did something to, newest first."""
    rows = await db.rows(
        """
        with mine as (
            select e.group_no, i.item_id, e.kind, e.occurred_at, coalesce(e.order_key, e.event_no) as deed,
                   max(e.kind) over (partition by e.group_no) as strongest
            from person_identity n
            join person o on o.tenant = n.tenant and o.person_no = n.person_no
            join person p on p.tenant = o.tenant and p.root_no = o.root_no
            join event e on e.tenant = p.tenant and e.person_no = p.person_no and e.group_no is not null and e.kind > 0
            join item i on i.tenant = e.tenant and i.item_no = e.item_no
            where n.tenant = :tenant and n.key = :key
        )
        select (array_agg(item_id order by occurred_at desc))[1], max(kind),
               count(distinct deed) filter (where kind = strongest), max(occurred_at)
        from mine group by group_no order by max(occurred_at) desc, group_no limit :most
        """,
        tenant=tenant,
        key=person_key(tenant, IdentityKind.USER_ID, user_id),
        most=most,
    )
    return [Deed(*row) for row in rows]
