"""Monthly partitions of the tables that grow with time, made ahead of need."""

from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.db import Database
from app.core.logging import log

TABLES = ("event", "serve")
MONTHS_AHEAD = 3
_LOCK = 7_301_000_002


async def ensure_partitions(db: Database, now: datetime | None = None) -> list[str]:
    """Create the missing partitions of this month and the next three; return their names.

    A month whose rows already lie in the default partition is left there.
    """
    made = []
    for name, table, first, last in _due(now or datetime.now(UTC)):
        if (await db.rows("select to_regclass(:name) is not null", name=name))[0][0]:
            continue
        try:
            async with db.begin() as connection:
                await connection.execute(text("set local lock_timeout = '2s'"))
                await connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
                await connection.execute(
                    text(f"create table if not exists {name} partition of {table} for values from ('{first}') to ('{last}')")
                )
            made.append(name)
        except DBAPIError as error:
            log.info("partition.left_in_default", partition=name, error=str(error.orig)[:200])
    return made


def month_name(table: str, month: int) -> str:
    """Return the name of the partition of a month, counted from year 0."""
    return f"{table}_{_spell(month, '')}"


def _due(now: datetime) -> list[tuple[str, str, str, str]]:
    months = [now.year * 12 + now.month - 1 + ahead for ahead in range(MONTHS_AHEAD + 1)]
    return [
        (month_name(table, month), table, f"{_spell(month, '-')}-01", f"{_spell(month + 1, '-')}-01")
        for table in TABLES
        for month in months
    ]


def _spell(month: int, between: str) -> str:
    return f"{month // 12:04d}{between}{month % 12 + 1:02d}"
