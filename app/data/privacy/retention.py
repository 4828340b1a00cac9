"""How long events and records of serves are kept: whole months of them are dropped, by when they arrived or were served."""

from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.db import Database
from app.core.logging import log
from app.core.partitions import month_name
from app.core.telemetry import EVENT_MONTHS_DROPPED

_PARTITIONS = """
select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = to_regclass(cast(:parent as text)) and c.relname ~ ('^' || cast(:parent as text) || '_[0-9]{6}$')
and c.relname < :first order by c.relname
"""


# Rows of the default partition go in portions, so that no transaction lasts.
_AT_ONCE = 20_000
_OLD = """
delete from {table}_default where ctid = any(array(select ctid from {table}_default where {column} < :first limit :portion))
"""


async def drop_old_events(db: Database, months: int, now: datetime | None = None) -> list[str]:
    """Drop the partitions of `event` that ended more than `months` whole months ago; return their names. 0 keeps all.

    What arrived then while its month had no partition is deleted too. A partition that somebody reads for longer than two seconds is
    left for the next time. States that were computed stay until their person is computed anew.
    """
    dropped = await _drop(db, "event", "received_at", months, now)
    EVENT_MONTHS_DROPPED.inc(len(dropped))
    return dropped


async def drop_old_serves(db: Database, months: int, now: datetime | None = None) -> list[str]:
    """Drop the records of serves in the same way, by when they were served; orders are attributed to those that are left."""
    return await _drop(db, "serve", "served_at", months, now)


async def _drop(db: Database, table: str, column: str, months: int, now: datetime | None) -> list[str]:
    if months <= 0:
        return []
    moment = now or datetime.now(UTC)
    month = moment.year * 12 + moment.month - 1 - months
    dropped = []
    for (name,) in await db.rows(_PARTITIONS, parent=table, first=month_name(table, month)):
        try:
            async with db.begin() as connection:
                # detaching locks the whole table: writers wait no longer than this behind a reader that does not end
                await connection.execute(text("set local lock_timeout = '2s'"))
                await connection.execute(text(f"alter table {table} detach partition {name}"))
                await connection.execute(text(f"drop table {name}"))
        except DBAPIError as error:
            log.warning("retention.put_off", partition=name, error=str(error.orig)[:200])
            break
        log.info("retention.dropped", partition=name)
        dropped.append(name)
    first_moment = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
    old = _OLD.format(table=table, column=column)
    while await db.run(old, first=first_moment, portion=_AT_ONCE) == _AT_ONCE:
        continue
    return dropped
