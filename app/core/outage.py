"""Tells a database that is away, or too busy, from a fault of ours, and says in words what is wrong with it."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.core.errors import Unavailable

# Bulk statements raise the driver's own errors, all others SQLAlchemy's around them.
_AWAY = (
    OSError,
    TimeoutError,
    PoolTimeout,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    # somebody holds what this needs for longer than a caller waits
    asyncpg.LockNotAvailableError,
    # what the driver says of a connection that ended in the middle of its own bookkeeping
    asyncpg.InternalClientError,
    # there is a server, but not our database on it, or not for us
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
)


def is_away(error: BaseException | None) -> bool:
    """Tell whether the same call may work later."""
    if isinstance(error, DisconnectionError):
        return True
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or is_away(error.orig) or is_away(getattr(error.orig, "__cause__", None))
    return isinstance(error, _AWAY)


def is_database(error: BaseException) -> bool:
    """Tell whether the database is away or refuses what it is asked, as one of another release does: what repeats goes on after either."""
    return is_away(error) or isinstance(error, SQLAlchemyError | asyncpg.PostgresError)


def cause(error: BaseException) -> str:
    """Say in a line what went wrong, without the statement and its parameters, which may hold personal data."""
    below = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    below = below.__cause__ or below
    first = str(below).strip().split("\n", 1)[0][:200]
    return f"{type(below).__name__}: {first}" if first else type(below).__name__


def place(url: str) -> str:
    """Return host, port and name of a database, without its credentials."""
    parsed = make_url(url)
    host = parsed.host or parsed.query.get("host") or "localhost"
    return f"{host}{f':{parsed.port}' if parsed.port else ''}/{parsed.database or ''}"


@contextmanager
def or_unavailable(detail: str) -> Iterator[None]:
    """Turn an error of a database that is away into the answer 503."""
    try:
        yield
    except Exception as error:
        if not is_away(error):
            raise
        raise Unavailable(detail, headers={"Retry-After": "5"}) from error
