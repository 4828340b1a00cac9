"""People whose consent, merge or erasure has not reached Redis: what lies there under their ids is not believed until it has.

The worker takes the marker from a Redis that takes no writes. It cannot where it does not reach that Redis, where Redis is
read-only, or where no worker runs; PostgreSQL knows of the open change all the same.
"""

import asyncio
from typing import Any

from app.core import ids, telemetry
from app.core.db import Database
from app.core.logging import log
from app.core.outage import is_database
from app.serving.redis.reader import RedisReader

# With more people than this the whole tenant is read from PostgreSQL.
_MOST = 10_000
_OPEN = (
    "select o.tenant, i.key from outbox o join person p using (tenant, person_no) "
    "join person m on m.tenant = p.tenant and m.root_no = p.root_no "
    "join person_identity i on i.tenant = m.tenant and i.person_no = m.person_no "
    "where o.confirmed_at is null and o.kind in ('consent', 'merge') "
    "union all select o.tenant, decode(k.key, 'hex') "
    "from outbox o cross join lateral jsonb_array_elements_text(o.payload -> 'keys') k(key) "
    "where o.confirmed_at is null and o.kind = 'erasure' limit :most"
)


async def doubt_open_letters(db: Database, reader: RedisReader, every_ms: int) -> None:
    """Tell the reader again and again whom not to believe; while PostgreSQL is away the last word stands."""
    away = False
    while True:
        try:
            rows = await db.rows(_OPEN, most=_MOST + 1)
            reader.doubt(frozenset(_key(row) for row in rows[:_MOST]), _too_many(rows))
            away = False
        except Exception as error:
            if not is_database(error):
                raise
            telemetry.ERRORS.labels("postgresql", "open_letters").inc()
            if not away:
                log.warning("open_letters.unread", error=type(error).__name__)
            away = True
        await asyncio.sleep(every_ms / 1000)


def _key(row: Any) -> str:
    return ids.state_key(row[0], bytes(row[1]))


def _too_many(rows: Any) -> frozenset[int]:
    return frozenset(row[0] for row in rows) if len(rows) > _MOST else frozenset()
