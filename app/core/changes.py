"""Tells servers that something they keep in memory has changed."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import Database


async def bump(connection: AsyncConnection, tenant: int, area: str) -> None:
    """Give an area a new version, in the transaction that changes it."""
    await connection.execute(
        text(
            "insert into change (tenant, area, version) values (:tenant, :area, nextval('change_version')) "
            "on conflict (tenant, area) do update set version = nextval('change_version'), changed_at = now()"
        ),
        {"tenant": tenant, "area": area},
    )


async def versions(db: Database) -> dict[tuple[int, str], int]:
    """Return the version of every area of every tenant."""
    return {(tenant, area): version for tenant, area, version in await db.rows("select tenant, area, version from change")}
