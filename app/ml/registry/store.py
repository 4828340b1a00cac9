"""SQL of the registry: models that were trained and which of them are live."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import Database

_LIVE = """
select distinct on (p.recommender) p.promotion_no, p.recommender, m.model_no, m.version, m.manifest, p.promoted_at
from model_promotion p join model m using (tenant, model_no)
where p.tenant = :tenant and p.undone_at is null and m.pruned_at is null
order by p.recommender, p.promotion_no desc
"""
_STANDING = """
select recommender, version, promoted_at, reason, previous from (
    select p.recommender, m.version, p.promoted_at, p.reason, row_number() over promotions as place,
        lead(m.version) over promotions as previous
    from model_promotion p join model m using (tenant, model_no)
    where p.tenant = :tenant and p.undone_at is null and m.pruned_at is null
    window promotions as (partition by p.recommender order by p.promotion_no desc)
) ranked where place = 1 order by recommender
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


async def models(db: Database, tenant: int, recommender: str | None, before: int | None = None, limit: int | None = None) -> list[Row[Any]]:
    """Return models, newest first, of one recommender or of all; at most `limit`, with numbers below `before`."""
    return list(
        await db.rows(
            "select model_no, recommender, version, manifest, created_at from model where tenant = :tenant and pruned_at is null "
            "and (cast(:recommender as text) is null or recommender = :recommender) "
            "and (cast(:before as bigint) is null or model_no < :before) order by model_no desc limit cast(:limit as bigint)",
            tenant=tenant,
            recommender=recommender,
            before=before,
            limit=limit,
        )
    )


async def standing(db: Database, tenant: int) -> list[Row[Any]]:
    """Return the live model of each recommender with why it was promoted, and the version that a roll-back would bring."""
    return list(await db.rows(_STANDING, tenant=tenant))


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
        "select p.promotion_no, m.model_no, m.version, m.manifest from model_promotion p join model m using (tenant, model_no) "
        "where p.tenant = :tenant and p.recommender = :recommender and p.undone_at is null and m.pruned_at is null "
        "order by p.promotion_no desc"
    )
    return list(await connection.execute(statement, {"tenant": tenant, "recommender": recommender}))


async def pruned_at(connection: AsyncConnection, tenant: int, recommender: str, version: str) -> datetime | None:
    """Return when the files of a model were deleted, or None."""
    statement = text("select pruned_at from model where tenant = :tenant and recommender = :recommender and version = :version")
    found: datetime | None = await connection.scalar(statement, {"tenant": tenant, "recommender": recommender, "version": version})
    return found


async def served(connection: AsyncConnection, tenant: int, models: Sequence[int]) -> set[int]:
    """Return which of some models were ever promoted and are named by a serve that is kept."""
    promoted = "select distinct model_no from model_promotion where tenant = :tenant and model_no = any(:models)"
    ever = [row[0] for row in await connection.execute(text(promoted), {"tenant": tenant, "models": list(models)})]
    if not ever:
        return set()
    named = "select distinct model_no from serve where tenant = :tenant and model_no = any(:models)"
    return {row[0] for row in await connection.execute(text(named), {"tenant": tenant, "models": ever})}


async def mark_pruned(connection: AsyncConnection, tenant: int, models: Sequence[int]) -> None:
    """Note that the files of models are deleted."""
    statement = text("update model set pruned_at = now() where tenant = :tenant and model_no = any(:models)")
    await connection.execute(statement, {"tenant": tenant, "models": list(models)})


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
