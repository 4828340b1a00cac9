"""How long events are kept: whole months of them are dropped, by when they arrived."""

from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.db import Database
from app.core.logging import log
from app.core.telemetry import EVENT_MONTHS_DROPPED
from app.data.partitions import month_name

_PARTITIONS = """
select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'event'::regclass and c.relname ~ '^event_[0-9]{6}$' and c.relname < :first order by c.relname
"""


# Rows of the default partition go in portions, so that no transaction lasts.
_AT_ONCE = 20_000
_OLD = """
delete from event_default where ctid = any(array(select ctid from event_default where received_at < :first limit :portion))
"""


async def drop_old_events(db: Database, months: int, now: datetime | None = None) -> list[str]:
    """Drop the partitions of `event` that ended more than `months` whole months ago; return their names. 0 keeps all.

    What arrived then while its month had no partition is deleted too. A partition that somebody reads for longer than two seconds is
    left for the next time. States that were computed stay until their person is computed anew.
    """
    if months <= 0:
        return []
    moment = now or datetime.now(UTC)
    month = moment.year * 12 + moment.month - 1 - months
    dropped = []
    for (name,) in await db.rows(_PARTITIONS, first=month_name("event", month)):
        try:
            async with db.begin() as connection:
                # detaching locks the whole table: intake waits no longer than this behind a reader that does not end
                await connection.execute(text("set local lock_timeout = '2s'"))
                await connection.execute(text(f"alter table event detach partition {name}"))
                await connection.execute(text(f"drop table {name}"))
        except DBAPIError as error:
            log.warning("retention.put_off", partition=name, error=str(error.orig)[:200])
            break
        EVENT_MONTHS_DROPPED.inc()
        log.info("retention.dropped", partition=name)
        dropped.append(name)
    first_moment = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
    while await db.run(_OLD, first=first_moment, portion=_AT_ONCE) == _AT_ONCE:
        continue
    return dropped
