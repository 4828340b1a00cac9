"""SQL of the registry: models that were trained and which of them are live."""

from typing import Any

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import Database

_LIVE = """
select distinct on (p.recommender) p.promotion_no, p.recommender, m.model_no, m.version, p.promoted_at
from model_promotion p join model m using (tenant, model_no)
where p.tenant = :tenant and p.undone_at is null
order by p.recommender, p.promotion_no desc
"""


async def tenant_name(db: Database, tenant: int) -> str | None:
    """Return the name of a tenant, or None."""
    rows = await db.rows("select name from tenant where tenant = :tenant", tenant=tenant)
    return str(rows[0].name) if rows else None


async def add(connection: AsyncConnection, tenant: int, recommender: str, version: str, manifest: dict[str, Any]) -> int:
    """Insert a model and return its number."""
    statement = text(
        "insert into model (tenant, recommender, version, manifest) "
        "values (:tenant, :recommender, :version, cast(:manifest as jsonb)) returning model_no"
    )
    values = {"tenant": tenant, "recommender": recommender, "version": version, "manifest": orjson.dumps(manifest).decode()}
    return int((await connection.execute(statement, values)).scalar_one())


async def models(db: Database, tenant: int, recommender: str | None) -> list[Row[Any]]:
    """Return models, newest first, of one recommender or of all."""
    return list(
        await db.rows(
            "select model_no, recommender, version, manifest, created_at from model where tenant = :tenant "
            "and (cast(:recommender as text) is null or recommender = :recommender) order by model_no desc",
            tenant=tenant,
            recommender=recommender,
        )
    )


async def live(db: Database, tenant: int) -> list[Row[Any]]:
    """Return the live model of each recommender."""
    return list(await db.rows(_LIVE, tenant=tenant))


async def lock(connection: AsyncConnection, tenant: int, recommender: str) -> None:
    """Let one promotion of a recommender happen at a time."""
    statement = text("select pg_advisory_xact_lock(hashtextextended(:name, 0))")
    await connection.execute(statement, {"name": f"model:{tenant}:{recommender}"})


async def history(connection: AsyncConnection, tenant: int, recommender: str) -> list[Row[Any]]:
    """Return the promotions that stand, newest first."""
    statement = text(
        "select p.promotion_no, m.model_no, m.version from model_promotion p join model m using (tenant, model_no) "
        "where p.tenant = :tenant and p.recommender = :recommender and p.undone_at is null order by p.promotion_no desc"
    )
    return list(await connection.execute(statement, {"tenant": tenant, "recommender": recommender}))


async def add_promotion(connection: AsyncConnection, tenant: int, recommender: str, model_no: int, reason: str) -> None:
    """Note a promotion."""
    statement = text(
        "insert into model_promotion (tenant, recommender, model_no, reason) values (:tenant, :recommender, :model_no, :reason)"
    )
    await connection.execute(statement, {"tenant": tenant, "recommender": recommender, "model_no": model_no, "reason": reason})


async def undo_promotion(connection: AsyncConnection, tenant: int, promotion_no: int) -> None:
    """Mark a promotion as rolled back."""
    statement = text("update model_promotion set undone_at = now() where tenant = :tenant and promotion_no = :promotion_no")
    await connection.execute(statement, {"tenant": tenant, "promotion_no": promotion_no})
