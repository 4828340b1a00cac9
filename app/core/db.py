"""PostgreSQL: one engine a process, transactions that name their tenant, and bulk copies in."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import URL, event, make_url, text
from sqlalchemy.exc import DisconnectionError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

# So long a connection may take to say that it lives; what hangs is dropped, and so are its neighbours.
_PING_S = 3.0


def async_url(url: str) -> URL:
    """Return the URL with the asyncpg driver, whatever driver it named.

    A socket folder may be given as `postgresql://user@/name?host=/folder`.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise ValueError("the database must be PostgreSQL: postgresql://user:password@host:5432/name")
    return parsed.set(drivername="postgresql+asyncpg")


class Database:
    """The connection pool of a process.

    `begin()` gives a connection inside a transaction that commits at the end of the block. `lock_timeout_s` bounds each wait for a
    lock, `patience_s` each statement and giving back a connection that hangs; 0 and None are without bound.
    """

    def __init__(
        self,
        url: str,
        pool_size: int = 5,
        *,
        connect_timeout: float = 5.0,
        statement_timeout_ms: int = 0,
        lock_timeout_s: float = 0.0,
        patience_s: float | None = None,
    ) -> None:
        server: dict[str, str] = {"application_name": "morsel", "jit": "off"}
        if statement_timeout_ms:
            server["statement_timeout"] = str(statement_timeout_ms)
        if lock_timeout_s:
            server["lock_timeout"] = str(round(lock_timeout_s * 1000))
        self.url = url
        self.engine: AsyncEngine = create_async_engine(
            async_url(url),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=5,
            # what a fault says goes to the log, and parameters may name people
            hide_parameters=True,
            connect_args={"timeout": connect_timeout, "command_timeout": patience_s, "server_settings": server},
        )
        event.listen(self.engine.sync_engine, "connect", _fresh)
        event.listen(self.engine.sync_engine, "checkout", _ping)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction; commit at the end of the block, roll back on an error."""
        async with self.engine.begin() as connection:
            yield connection

    async def rows(self, sql: str, **values: Any) -> Sequence[Any]:
        """Run one reading statement and return its rows."""
        async with self.engine.connect() as connection:
            return (await connection.execute(text(sql), values)).all()

    async def run(self, sql: str, **values: Any) -> int:
        """Run one writing statement in a transaction of its own and return the number of rows it touched."""
        async with self.engine.begin() as connection:
            return (await connection.execute(text(sql), values)).rowcount

    async def close(self) -> None:
        """Close the pool."""
        await self.engine.dispose()


def _fresh(connection: Any, record: Any) -> None:
    record.info[_ping] = True


def _ping(connection: Any, record: Any, proxy: Any) -> None:
    """Let the pool replace a connection that is lost or hangs; the library's own ping waits for ever for one that hangs."""
    if record.info.pop(_ping, False):
        return  # it was made this moment
    try:
        connection.run_async(_asked)
    except TimeoutError as error:
        raise InvalidatePoolError("the database did not answer in time") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        raise DisconnectionError("the connection was lost") from error


async def _asked(connection: Any) -> None:
    try:
        await connection.execute("select 1", timeout=_PING_S)
    except TimeoutError:
        connection.terminate()
        raise


async def driver(connection: AsyncConnection) -> Any:
    """Return the asyncpg connection below, with the transaction begun, for COPY and bulk statements.

    SQLAlchemy begins lazily, at its own first statement: a bulk statement sent before that would commit by itself.
    """
    below = (await connection.get_raw_connection()).driver_connection
    assert below is not None
    if not below.is_in_transaction():
        await connection.execute(text("select 1"))
    return below
