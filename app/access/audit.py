"""The log of who changed or read what; lines are added in the transaction of the change itself."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import Database

ITSELF = "morsel"
"""Who did what nobody asked for."""


# long: each argument is a column
async def record(
    connection: AsyncConnection,
    tenant: int,
    who: str,
    what: str,
    kind: str,
    name: str,
    *,
    before: int | None = None,
    after: int | None = None,
    note: str = "",
) -> None:
    """Add a line: `who` did `what` to the `name` of a `kind`; `before` and `after` are versions of documents."""
    await connection.execute(
        text(
            "insert into audit (tenant, who, what, kind, name, before, after, note) "
            "values (:tenant, :who, :what, :kind, :name, :before, :after, :note)"
        ),
        {"tenant": tenant, "who": who, "what": what, "kind": kind, "name": name, "before": before, "after": after, "note": note},
    )


async def written(db: Database, tenant: int, who: str, what: str, kind: str, name: str, note: str = "") -> None:
    """Add a line in a transaction of its own, for what was read and for changes that have no transaction."""
    async with db.begin() as connection:
        await record(connection, tenant, who, what, kind, name, note=note)


# The newest lines are enough: a reader who is not among them within a minute gets another line.
_LATELY = """
select exists (select from (
    select who, what, at from audit where tenant = :tenant and kind = :kind and name = :name order by audit_no desc limit 50
) newest where who = :who and what = :what and at > now() - interval '1 minute')
"""


async def told_lately(connection: AsyncConnection, tenant: int, who: str, what: str, kind: str, name: str) -> bool:
    """Tell whether the last minute has such a line already: reading again and again leaves one a minute."""
    values = {"tenant": tenant, "who": who, "what": what, "kind": kind, "name": name}
    return bool(await connection.scalar(text(_LATELY), values))


async def lines(
    db: Database, tenant: int, *, before: int | None, since: datetime | None, until: datetime | None, kind: str, who: str, q: str, most: int
) -> Sequence[Row[Any]]:
    """Return lines, newest first, below the number `before`, within [since, until), of a kind, by somebody, with a text in the name."""
    return await db.rows(
        "select audit_no, at, who, what, kind, name, before, after, note from audit where tenant = :tenant "
        "and (cast(:before as bigint) is null or audit_no < :before) "
        "and (cast(:since as timestamptz) is null or at >= :since) and (cast(:until as timestamptz) is null or at < :until) "
        "and (:kind = '' or kind = :kind) and (:who = '' or who = :who) and (:q = '' or strpos(lower(name), lower(:q)) > 0) "
        "order by audit_no desc limit :most",
        tenant=tenant,
        before=before,
        since=since,
        until=until,
        kind=kind,
        who=who,
        q=q,
        most=most,
    )
