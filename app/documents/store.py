"""Documents in PostgreSQL: a row for each, a row for each version, and a line in `audit` for whatever is done to one."""

from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.access import audit
from app.core import changes
from app.core.db import Database
from app.core.errors import Changed
from app.documents.kinds import Document

_MOST = 200


def _row(row: Any) -> Document:
    name, number, version, published, draft, body = row
    return Document(name, number, version, bool(published), orjson.loads(body), bool(draft))


async def published(db: Database, table: str, tenant: int) -> list[Document]:
    """Return the published version of every document, by name."""
    rows = await db.rows(
        f"select d.name, d.{table}_no, v.version, true, false, v.document::text from {table} d "
        f"join {table}_version v on v.tenant = d.tenant and v.{table}_no = d.{table}_no and v.version = d.published "
        "where d.tenant = :tenant order by d.name",
        tenant=tenant,
    )
    return [_row(row) for row in rows]


async def versions(db: Database, table: str, tenant: int, name: str) -> list[Document]:
    """Return all versions of a document, newest first; empty when the name is unknown."""
    rows = await db.rows(
        f"select d.name, d.{table}_no, v.version, v.version = d.published, v.published_at is null, v.document::text from {table} d "
        f"join {table}_version v on v.tenant = d.tenant and v.{table}_no = d.{table}_no "
        f"where d.tenant = :tenant and d.name = :name order by v.version desc limit {_MOST}",
        tenant=tenant,
        name=name,
    )
    return [_row(row) for row in rows]


async def add(
    db: Database, table: str, tenant: int, name: str, body: dict[str, Any], *, who: str, expected: int | None = None, draft: bool = False
) -> Document:
    """Store a new version, and make it the live one unless it is a draft; raises Changed when another one than `expected` is live."""
    async with db.begin() as connection:
        number, before = (
            await connection.execute(
                text(
                    f"insert into {table} (tenant, name) values (:tenant, :name) "
                    f"on conflict (tenant, name) do update set name = excluded.name returning {table}_no, published"
                ),
                {"tenant": tenant, "name": name},
            )
        ).one()
        _expect(name, before, expected)
        version = await connection.scalar(
            text(
                f"insert into {table}_version (tenant, {table}_no, version, document) "
                f"select :tenant, :number, coalesce(max(version), 0) + 1, cast(:body as jsonb) from {table}_version "
                f"where tenant = :tenant and {table}_no = :number returning version"
            ),
            {"tenant": tenant, "number": number, "body": orjson.dumps(body).decode()},
        )
        assert version is not None
        if not draft:
            await _point(connection, table, tenant, number, version)
        await audit.record(connection, tenant, who, "draft" if draft else "publish", table, name, before=before, after=version)
    return Document(name, number, version, not draft, body, draft)


async def point(
    db: Database, table: str, tenant: int, name: str, version: int | None, *, who: str, what: str, expected: int | None = None
) -> None:
    """Make a version of a document the live one, or none; raises Changed when another one than `expected` is live."""
    async with db.begin() as connection:
        number, before = (
            await connection.execute(
                text(f"select {table}_no, published from {table} where tenant = :tenant and name = :name for update"),
                {"tenant": tenant, "name": name},
            )
        ).one()
        _expect(name, before, expected)
        await _point(connection, table, tenant, number, version)
        await audit.record(connection, tenant, who, what, table, name, before=before, after=version)


async def before_now(db: Database, table: str, tenant: int, name: str) -> int | None:
    """Return the version that was live before the one that is, or before it was taken away; None when there was none."""
    rows = await db.rows(
        "select before from audit where tenant = :tenant and kind = :kind and name = :name and before is not null "
        "and what in ('publish', 'rollback', 'delete') and before is distinct from "
        f"(select published from {table} where tenant = :tenant and name = :name) order by audit_no desc limit 1",
        tenant=tenant,
        kind=table,
        name=name,
    )
    return int(rows[0][0]) if rows else None


async def done(db: Database, table: str, tenant: int, name: str) -> list[dict[str, Any]]:
    """Return who did what to a document, newest first; `before` and `after` are the versions that were live."""
    rows = await db.rows(
        "select at, who, what, before, after from audit where tenant = :tenant and kind = :kind and name = :name "
        f"order by audit_no desc limit {_MOST}",
        tenant=tenant,
        kind=table,
        name=name,
    )
    return [dict(zip(("at", "who", "what", "before", "after"), row, strict=True)) for row in rows]


async def add_missing(db: Database, table: str, tenant: int, documents: dict[str, dict[str, Any]]) -> list[str]:
    """Publish those documents whose name was never there; return their names."""
    known = {row[0] for row in await db.rows(f"select name from {table} where tenant = :tenant", tenant=tenant)}
    missing = [name for name in documents if name not in known]
    for name in missing:
        await add(db, table, tenant, name, documents[name], who="morsel")
    return missing


def _expect(name: str, live: int | None, expected: int | None) -> None:
    if expected is not None and live != expected:
        now = f"version {live} is published" if live else "none is published"
        raise Changed(f"{name} has changed since version {expected}: {now} now. Show it again, and apply the change to that.")


async def _point(connection: AsyncConnection, table: str, tenant: int, number: int, version: int | None) -> None:
    values = {"tenant": tenant, "number": number, "version": version}
    await connection.execute(text(f"update {table} set published = :version where tenant = :tenant and {table}_no = :number"), values)
    await connection.execute(
        text(
            f"update {table}_version set published_at = coalesce(published_at, now()) "
            f"where tenant = :tenant and {table}_no = :number and version = :version"
        ),
        values,
    )
    await changes.bump(connection, tenant, "content")
