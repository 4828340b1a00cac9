"""Runs migrations on the database that the settings name, or on the connection that the caller gives."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from app.core.db import async_url
from app.core.settings import load

config = context.config


def run(connection: Connection) -> None:
    """Run all pending migrations, one at a time across processes, and never wait long for a lock of the running release."""
    connection.execute(text("set statement_timeout = '300s'"))
    connection.execute(text("select pg_advisory_lock(7267350)"))
    connection.execute(text("set lock_timeout = '4s'"))
    connection.commit()
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.execute(text("select pg_advisory_unlock(7267350)"))
    connection.commit()


async def run_alone(url: str) -> None:
    """Open a connection of our own and migrate over it."""
    engine = create_async_engine(async_url(url))
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


url = config.get_main_option("sqlalchemy.url") or load().database_url
if not url:
    raise SystemExit("set MORSEL_DATABASE_URL, or use `morsel migrate`, which starts the embedded database")
asyncio.run(run_alone(url))
