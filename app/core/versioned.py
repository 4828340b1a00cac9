"""Named documents of which every version is kept and one is published: placements, templates."""

from dataclasses import dataclass
from typing import Any, Literal

import orjson
from sqlalchemy import text

from app.core import changes
from app.core.db import Database

Table = Literal["placement", "template"]


@dataclass(frozen=True)
class Document:
    """One version of a named document; `number` is its stable number, `published` whether it is the live one."""

    name: str
    number: int
    version: int
    published: bool
    body: dict[str, Any]


def _row(row: Any) -> Document:
    name, number, version, published, body = row
    return Document(name, number, version, bool(published), orjson.loads(body))


async def published(db: Database, table: Table, tenant: int) -> list[Document]:
    """Return the published version of every document, by name."""
    rows = await db.rows(
        f"select d.name, d.{table}_no, v.version, true, v.document::text from {table} d "
        f"join {table}_version v on v.tenant = d.tenant and v.{table}_no = d.{table}_no and v.version = d.published "
        "where d.tenant = :tenant order by d.name",
        tenant=tenant,
    )
    return [_row(row) for row in rows]


async def versions(db: Database, table: Table, tenant: int, name: str) -> list[Document]:
    """Return all versions of a document, newest first; empty when the name is unknown."""
    rows = await db.rows(
        f"select d.name, d.{table}_no, v.version, v.version = d.published, v.document::text from {table} d "
        f"join {table}_version v on v.tenant = d.tenant and v.{table}_no = d.{table}_no "
        "where d.tenant = :tenant and d.name = :name order by v.version desc limit 200",
        tenant=tenant,
        name=name,
    )
    return [_row(row) for row in rows]


async def publish(db: Database, table: Table, tenant: int, name: str, body: dict[str, Any]) -> Document:
    """Store a new version and make it the live one."""
    async with db.begin() as connection:
        number = await connection.scalar(
            text(
                f"insert into {table} (tenant, name) values (:tenant, :name) "
                f"on conflict (tenant, name) do update set name = excluded.name returning {table}_no"
            ),
            {"tenant": tenant, "name": name},
        )
        version = await connection.scalar(
            text(
                f"insert into {table}_version (tenant, {table}_no, version, document) "
                f"select :tenant, :number, coalesce(max(version), 0) + 1, cast(:body as jsonb) from {table}_version "
                f"where tenant = :tenant and {table}_no = :number returning version"
            ),
            {"tenant": tenant, "number": number, "body": orjson.dumps(body).decode()},
        )
        await connection.execute(
            text(f"update {table} set published = :version where tenant = :tenant and {table}_no = :number"),
            {"tenant": tenant, "number": number, "version": version},
        )
        await changes.bump(connection, tenant, "content")
    assert number is not None
    assert version is not None
    return Document(name, number, version, True, body)


async def add_missing(db: Database, table: Table, tenant: int, documents: dict[str, dict[str, Any]]) -> list[str]:
    """Publish those documents whose name does not exist yet; return their names."""
    known = {row[0] for row in await db.rows(f"select name from {table} where tenant = :tenant", tenant=tenant)}
    missing = [name for name in documents if name not in known]
    for name in missing:
        await publish(db, table, tenant, name, documents[name])
    return missing
