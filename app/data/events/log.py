"""The log of events: places in it, how far it can be read, and the followers that read it.

Followers go in the order of transactions: a slow one that commits late would be passed over by any other.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import driver

# The cluster changes when the data moves to another server or comes back from a backup: its transaction numbers mean
# nothing for positions kept before.
_CLUSTER = "(select system_identifier::text from pg_control_system()) || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"


@dataclass(frozen=True, order=True)
class Position:
    """A place in the log of events: everything up to it was read."""

    xid: int = 0
    event_no: int = 0


@dataclass(frozen=True)
class Kept:
    """A position that was stored, and which log it is one of."""

    position: Position
    cluster: str


async def horizon(connection: AsyncConnection) -> Position:
    """Return the place below which no transaction can still add events, for readings that begin after this."""
    xid = await (await driver(connection)).fetchval("select pg_snapshot_xmin(pg_current_snapshot())::text")
    return Position(int(xid) - 1, (1 << 63) - 1)


def unread(xid: str = "e.xid", number: str = "e.event_no") -> str:
    """Return the SQL condition of what lies behind the position `$2, $3`: of whole transactions only, in the order of these columns."""
    return f"({xid}, {number}) > ($2::text::xid8, $3) and {xid} < pg_snapshot_xmin(pg_current_snapshot())"


@dataclass(frozen=True)
class Follower:
    """A reader of the log: its name, what it asks of the log, and where each tenant's reading stands, in one table.

    `query` begins with `$1`, the tenant, and `unread()`; what it asks beside is `$4` and so on. `form` tells what it makes of events from
    what another release or setting made: where it differs, as on another cluster, all is read again. A follower moves in the
    transaction that stores what it made, or after that is safe and could be made again: a crash may repeat a reading, never lose one.
    """

    name: str
    query: str
    form: str = ""

    async def news(self, connection: AsyncConnection, tenant: int, after: Position, *asked: Any) -> list[Any]:
        """Return the rows of the query behind a position."""
        rows: list[Any] = await (await driver(connection)).fetch(self.query, tenant, str(after.xid), after.event_no, *asked)
        return rows

    async def cluster(self, connection: AsyncConnection) -> str:
        """Return what tells this log, read in this form, from any other."""
        found: str = await (await driver(connection)).fetchval(f"select {_CLUSTER} || $1::text", self.form)
        return found

    async def kept(self, connection: AsyncConnection, tenant: int) -> Kept | None:
        """Return the position that was stored, of whatever log; None where nothing was ever read."""
        row = await (await driver(connection)).fetchrow(
            "select xid::text, event_no, cluster from log_position where tenant = $1 and reader = $2", tenant, self.name
        )
        return Kept(Position(int(row[0]), row[1]), row[2]) if row else None

    async def position(self, connection: AsyncConnection, tenant: int) -> Position:
        """Return how far this log was read; at the beginning where it never was."""
        kept = await self.kept(connection, tenant)
        return kept.position if kept is not None and kept.cluster == await self.cluster(connection) else Position()

    async def move(self, connection: AsyncConnection, tenant: int, reached: Position, cluster: str | None = None) -> None:
        """Store how far was read: of this log, or of the one that was read where the server may be another since."""
        await (await driver(connection)).execute(
            f"insert into log_position (tenant, reader, xid, event_no, cluster) "
            f"values ($1, $2, $3::text::xid8, $4, coalesce($5::text, {_CLUSTER} || $6::text)) "
            "on conflict (tenant, reader) do update set xid = excluded.xid, event_no = excluded.event_no, cluster = excluded.cluster",
            tenant, self.name, str(reached.xid), reached.event_no, cluster, self.form,
        )  # fmt: skip
