"""Tells a database that is away, or too busy, from a fault of ours."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError
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
)


def is_away(error: BaseException | None) -> bool:
    """Tell whether the same call may work later."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or is_away(error.orig) or is_away(getattr(error.orig, "__cause__", None))
    return isinstance(error, _AWAY)


@contextmanager
def or_unavailable(detail: str) -> Iterator[None]:
    """Turn an error of a database that is away into the answer 503."""
    try:
        yield
    except Exception as error:
        if not is_away(error):
            raise
        raise Unavailable(detail, headers={"Retry-After": "5"}) from error
