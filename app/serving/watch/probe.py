"""The probe: an event of nobody goes the whole way again and again, from intake to the Redis that serving reads, and is timed.

Nobody's number (`ids.PROBE`) is below those of people, and the id is one that no caller can name, so the probe stands in no list, no
count and no training. Its only event has no item and replaces the one before.
"""

import asyncio
import os
import time
from collections.abc import Callable, Collection
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core import ids
from app.core.db import Database
from app.core.locks import alone
from app.core.logging import log
from app.core.telemetry import EVENTS_ACCEPTED, PROBE_FAILING, PROBE_SECONDS
from app.data.events import store
from app.data.events.accept import accept
from app.data.events.domain import Event
from app.data.identity.vault import DataKeys
from app.data.profiles.state_codec import unpack_state
from app.serving.path.lookup import Lookup, Values

NAME = "Morsel Probe"
# Ids of white space are refused wherever an id comes in.
_IDENTITY = (int(ids.IdentityKind.ANONYMOUS_ID), " ")
_LOOK_S = 0.02
_READ_S = 1.0
_PERSON = (
    "insert into person (tenant, person_no, root_no, kind, data_key) values (:tenant, :person, :person, :kind, :sealed) "
    "on conflict do nothing"
)
_IDENTITY_ROW = (
    "insert into person_identity (tenant, key, kind, value, person_no, is_primary) values (:tenant, :key, :kind, :value, :person, true) "
    "on conflict do nothing"
)
_FORGET = "delete from event where tenant = :tenant and person_no = :person"


class Probe:
    """Probes every tenant in turns; raises and ends the alarm `morsel_probe_failing`."""

    def __init__(self, db: Database, lookup: Lookup, keys: DataKeys, *, every_s: float, limit_s: float) -> None:
        self._db = db
        self._lookup = lookup
        self._keys = keys
        self._every_s = every_s
        self._limit_s = limit_s
        self.late: dict[int, str] = {}
        """Why the last probe of a tenant was late: intake, or not visible."""

    async def run(self, tenants: Callable[[], Collection[int]], lock: Path) -> None:
        """Probe for ever, one process of a machine; others take over when it ends. An interval of 0 probes never."""
        while self._every_s:
            await asyncio.sleep(self._every_s)
            with alone(lock) as mine:
                while mine:
                    began = time.monotonic()
                    await asyncio.gather(*(self.probe(tenant) for tenant in tenants()))
                    await asyncio.sleep(max(0.0, began + self._every_s - time.monotonic()))

    async def probe(self, tenant: int) -> float | None:
        """Send one event and wait for it; return the seconds from its commit until Redis showed it, None when it never did."""
        try:
            async with asyncio.timeout(self._limit_s):
                moment = await self._send(tenant)
        except Exception as error:
            self._tell(tenant, "intake", type(error).__name__)
            return None
        began = time.monotonic()
        while await self._shown(tenant) < moment:
            waited = time.monotonic() - began
            if waited > self._limit_s:
                self._tell(tenant, "not visible")
            if waited > max(self._every_s, self._limit_s):
                PROBE_SECONDS.observe(waited)
                return None
            await asyncio.sleep(_LOOK_S)
        seconds = time.monotonic() - began
        PROBE_SECONDS.observe(seconds)
        self._tell(tenant, "" if seconds <= self._limit_s else "not visible")
        return seconds

    async def _send(self, tenant: int) -> int:
        """Store an event that happens now by the database's clock; return its second."""
        async with self._db.begin() as connection:
            await _introduce(connection, tenant, self._keys)
            await connection.execute(text(_FORGET), {"tenant": tenant, "person": ids.PROBE})
            now = (await connection.execute(text("select now()"))).scalar_one()
            event = Event(now, os.urandom(16), (_IDENTITY,), name=NAME)
            await accept(connection, tenant, [event], keys=self._keys, claim=lambda given: store.claim_messages(connection, tenant, given))
        EVENTS_ACCEPTED.labels("probe").inc()
        return int(now.timestamp())

    async def _shown(self, tenant: int) -> int:
        """Return when Redis, as serving reads it, saw the probe last, in unix seconds; 0 while it cannot be read or believed."""
        future: asyncio.Future[Values | None] = asyncio.get_running_loop().create_future()

        def found(values: Values | None) -> None:
            if not future.done():
                future.set_result(values)

        self._lookup.get(tenant, [ids.state_key(tenant, ids.person_key(tenant, *_IDENTITY))], found)
        try:
            values = await asyncio.wait_for(future, _READ_S)
        except TimeoutError:
            return 0
        state = unpack_state(values[0]) if values and values[0] is not None else None
        return state.last_seen if state else 0

    def _tell(self, tenant: int, fault: str, error: str = "") -> None:
        """Raise or end the alarm; say so once."""
        before = self.late.pop(tenant, "")
        if fault:
            self.late[tenant] = fault
        PROBE_FAILING.set(len(self.late))
        if fault and fault != before:
            log.warning("probe.late", tenant=tenant, part=fault, limit_s=self._limit_s, error=error)
        elif before and not fault:
            log.info("probe.recovered", tenant=tenant)


async def _introduce(connection: AsyncConnection, tenant: int, keys: DataKeys) -> None:
    """Make the probe known, at the first time."""
    key = ids.person_key(tenant, *_IDENTITY)
    values = {"tenant": tenant, "person": ids.PROBE, "kind": _IDENTITY[0]}
    if (await connection.execute(text("select 1 from person where tenant = :tenant and person_no = :person"), values)).first():
        return
    await connection.execute(text(_PERSON), {**values, "sealed": keys.new(ids.PROBE)})
    await connection.execute(text(_IDENTITY_ROW), {**values, "key": key, "value": _IDENTITY[1]})
