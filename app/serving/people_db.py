"""States read from PostgreSQL while Redis cannot be trusted: the one place where serving opens a session.

Misses of one loop turn share one query, with a bounded time and a breaker of its own.
"""

import asyncio
import time

import orjson
from sqlalchemy.exc import SQLAlchemyError

from app.core import telemetry
from app.core.db import Database
from app.core.logging import log
from app.data.people.online import StateView, view_state

_OPEN_SECONDS = 1.0
_AT_ONCE = 200
# Consent is read from the person, not from the packed state: it may have changed a moment ago.
_SQL = (
    "select encode(i.key, 'hex'), s.state, p.consent from person_identity i join person p using (tenant, person_no) "
    "left join person_state s on s.tenant = p.tenant and s.person_no = p.root_no "
    "where i.tenant = :tenant and i.key in (select decode(value, 'hex') from jsonb_array_elements_text(cast(:keys as jsonb)))"
)


class DatabaseDown(Exception):
    """PostgreSQL did not answer in time."""


class PeopleDatabase:
    """Coalesced reads of people by key."""

    def __init__(self, db: Database, timeout_ms: int) -> None:
        self._db = db
        self._timeout = timeout_ms / 1000
        self._closed_until = 0.0
        self._pending: dict[tuple[int, bytes], asyncio.Future[StateView | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def state(self, tenant: int, key: bytes) -> StateView | None:
        """Return a person's state, or None for a person nobody knows; raises DatabaseDown."""
        if time.monotonic() < self._closed_until:
            raise DatabaseDown("resting after a failure")
        future = self._pending.get((tenant, key))
        if future is None:
            loop = asyncio.get_running_loop()
            if not self._pending:
                loop.call_soon(self._flush)
            future = self._pending[tenant, key] = loop.create_future()
        try:
            return await asyncio.wait_for(asyncio.shield(future), self._timeout)
        except TimeoutError:
            self._closed_until = time.monotonic() + _OPEN_SECONDS
            telemetry.ERRORS.labels("postgresql", "timeout").inc()
            raise DatabaseDown("no answer in time") from None

    def _flush(self) -> None:
        pending, self._pending = self._pending, {}
        for tenant in {tenant for tenant, _ in pending}:
            mine = [(key, future) for (owner, key), future in pending.items() if owner == tenant]
            for start in range(0, len(mine), _AT_ONCE):
                task = asyncio.get_running_loop().create_task(self._read(tenant, dict(mine[start : start + _AT_ONCE])))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _read(self, tenant: int, waiting: dict[bytes, asyncio.Future[StateView | None]]) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                keys = orjson.dumps([key.hex() for key in waiting]).decode()
                rows = await self._db.rows(_SQL, tenant=tenant, keys=keys)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            self._fail(waiting, error)
            return
        except asyncio.CancelledError as error:
            self._fail(waiting, error)
            raise
        found = {bytes.fromhex(key): _with_consent(state, consent) for key, state, consent in rows}
        for key, future in waiting.items():
            if not future.done():
                future.set_result(found.get(key))

    def _fail(self, waiting: dict[bytes, asyncio.Future[StateView | None]], error: BaseException) -> None:
        if time.monotonic() >= self._closed_until:
            log.warning("people.database_down", error=type(error).__name__)
        self._closed_until = time.monotonic() + _OPEN_SECONDS
        telemetry.ERRORS.labels("postgresql", "read").inc()
        for future in waiting.values():
            if not future.done():
                future.set_exception(DatabaseDown(type(error).__name__))
            future.exception()  # whoever waited may have given up already


def _with_consent(packed: bytes | None, consent: int | None) -> StateView | None:
    view = view_state(bytes(packed)) if packed is not None else None
    if view is not None:
        view.consent = None if consent is None else bool(consent)
    return view
