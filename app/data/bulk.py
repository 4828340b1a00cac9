"""Bulk statements through the asyncpg connection below SQLAlchemy, safely inside its transaction."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import driver


async def raw(connection: AsyncConnection) -> Any:
    """Return the asyncpg connection, with the transaction begun.

    SQLAlchemy begins lazily, at its own first statement: a bulk statement sent before that would commit by itself.
    """
    below = await driver(connection)
    if not below.is_in_transaction():
        await connection.execute(text("select 1"))
    return below
