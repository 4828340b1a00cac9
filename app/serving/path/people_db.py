"""States read from PostgreSQL while Redis cannot be trusted: the one place where serving opens a session.

Misses of one loop turn share one query, with a bounded time and a breaker of its own.
"""

import asyncio

import orjson
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.core import telemetry
from app.core.breaker import DOWN, SLOW, Breaker
from app.core.db import Database
from app.core.logging import log
from app.data.identity.purposes import tracking_said
from app.data.profiles.state_codec import StateView, view_state

_AT_ONCE = 200
# Consent is read from the person, not from the packed state: it may have changed a moment ago.
_SQL = (
    "select encode(i.key, 'hex'), s.state, p.consent, array(select m.purposes::text from person m where m.tenant = p.tenant "
    "and m.root_no = p.root_no and m.purposes <> '{}'), s.facts from person_identity i join person p using (tenant, person_no) "
    "left join person_state s on s.tenant = p.tenant and s.person_no = p.root_no "
    "where i.tenant = :tenant and i.key in (select decode(value, 'hex') from jsonb_array_elements_text(cast(:keys as jsonb)))"
)


class DatabaseDown(Exception):
    """PostgreSQL did not say who this is; the text is the reason of the answer: it is down, or slow."""


class PeopleDatabase:
    """Coalesced reads of people by key."""

    def __init__(self, db: Database, timeout_ms: int) -> None:
        self._db = db
        self._timeout = timeout_ms / 1000
        self._breaker = Breaker()
        self._pending: dict[tuple[int, bytes], asyncio.Future[StateView | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def state(self, tenant: int, key: bytes) -> StateView | None:
        """Return a person's state, or None for a person nobody knows; raises DatabaseDown."""
        if resting := self._breaker.closed:
            raise DatabaseDown(resting)
        future = self._pending.get((tenant, key))
        if future is None:
            loop = asyncio.get_running_loop()
            if not self._pending:
                loop.call_soon(self._flush)
            future = self._pending[tenant, key] = loop.create_future()
        try:
            return await asyncio.wait_for(asyncio.shield(future), self._timeout)
        except TimeoutError:
            telemetry.ERRORS.labels("postgresql", "timeout").inc()
            raise DatabaseDown(SLOW) from None

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
        self._breaker.answered()
        found = {bytes.fromhex(key): _told(*row) for key, *row in rows}
        for key, future in waiting.items():
            if not future.done():
                future.set_result(found.get(key))

    def _fail(self, waiting: dict[bytes, asyncio.Future[StateView | None]], error: BaseException) -> None:
        late = isinstance(error, TimeoutError | asyncio.CancelledError | PoolTimeout)
        why = SLOW if late else DOWN
        if self._breaker.late() if late else self._breaker.failed():
            log.warning(f"people.{why}", error=type(error).__name__)
        telemetry.ERRORS.labels("postgresql", "read").inc()
        for future in waiting.values():
            if not future.done():
                future.set_exception(DatabaseDown(why))
            future.exception()  # whoever waited may have given up already


def _told(packed: bytes | None, consent: int | None, said: list[str], facts: bytes | None) -> StateView | None:
    if (view := view_state(packed)) is not None:
        view.consent, view.tracking, view.facts = None if consent is None else bool(consent), tracking_said(said), facts or b""
    return view
