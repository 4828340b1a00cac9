"""The public door of refused events: keep, list, put right and replay, forget."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import Database
from app.core.errors import NotFound
from app.core.ids import person_key
from app.core.outage import or_unavailable
from app.core.settings import Settings
from app.core.telemetry import REFUSALS
from app.data.events.domain import Arrival, Event, Refused
from app.data.events.refused import naming, refusal, store
from app.data.events.refused.naming import Named
from app.data.events.refused.refusal import LONGEST_REASON, Fix, Kept, Refusal
from app.data.events.sources import listed as sources
from app.data.events.sources.base import Source
from app.data.identity import store as identities
from app.data.identity.domain import Person
from app.data.identity.purposes import Defaults
from app.data.identity.vault import DataKeys

_AT_ONCE = 200
# Bytes kept are summed up so often; in between a process counts what it adds itself.
_LOOK_S = 10.0
_OVERHEAD = 200
_KEY_BYTES = 16
_AWAY = "Refused events cannot be kept now; send the events again."


class Refusals:
    """Keeps refused events of a server process, up to a number of bytes a tenant, half of it for what public keys send."""

    def __init__(self, db: Database, keys: DataKeys, *, most_bytes: int) -> None:
        self._db = db
        self._keys = keys
        self._most = most_bytes // 2
        self._used: dict[int, tuple[float, dict[bool, int]]] = {}

    async def keep(self, tenant: int, refused: Sequence[Refusal]) -> None:
        """Keep refusals after a commit of their own; the same one again is kept once. Raises Unavailable, and then none was kept.

        What a person who withdrew consent would have sent is not kept, and neither is what no longer fits: it is counted.
        """
        if not refused:
            return
        with or_unavailable(_AWAY):
            used = await self._used_by(tenant)
            fitting = []
            for one in refused:
                size = len(one.raw) + _OVERHEAD
                if used.get(one.how.anonymous_only, 0) + size > self._most:
                    REFUSALS.labels("full").inc()
                    continue
                used[one.how.anonymous_only] = used.get(one.how.anonymous_only, 0) + size
                fitting.append(one)
            if fitting:
                try:
                    await self._write(tenant, fitting)
                except asyncpg.ForeignKeyViolationError:
                    # somebody was erased at this very moment: now their ids belong to nobody
                    await self._write(tenant, fitting)

    async def _used_by(self, tenant: int) -> dict[bool, int]:
        known = self._used.get(tenant)
        if known is None or known[0] < time.monotonic():
            known = self._used[tenant] = (time.monotonic() + _LOOK_S, await store.sizes(self._db, tenant))
        return known[1]

    async def _write(self, tenant: int, refused: Sequence[Refusal]) -> None:
        # outside the loop: a body may be large
        named = await asyncio.to_thread(lambda: [naming.named_in(one.raw, tenant) for one in refused])
        async with self._db.begin() as connection:
            people = await identities.known_of(connection, tenant, {one.identity for one in refused if one.identity is not None})
            rows = []
            for one, told in zip(refused, named, strict=True):
                person = people.get(one.identity) if one.identity is not None else None
                if person is None or person.consent is not False:
                    rows.append(self._row(tenant, one, person, told))
            if rows:
                await store.add(connection, tenant, rows)
        REFUSALS.labels("kept").inc(len(rows))

    def _row(self, tenant: int, one: Refusal, person: Person | None, named: Named) -> tuple[Any, ...]:
        cipher = self._keys.nobody() if person is None else self._keys.cipher(person.person_no, person.sealed_key)
        return (
            # apart by trust: what a public key sent first must not stand for the shop's own
            self._keys.fingerprint(f"{one.source} {one.call}".encode() + (b"\0public\0" if one.how.anonymous_only else b"\0") + one.raw),
            one.how.received,
            one.how.skew.total_seconds(),
            one.how.anonymous_only,
            one.client_no,
            one.call,
            one.whole_body,
            one.reason[:LONGEST_REASON],
            None if person is None else person.person_no,
            None if one.identity is None else person_key(tenant, *one.identity),
            len(one.raw) + _OVERHEAD + _KEY_BYTES * len(named.keys),
            cipher.seal(one.raw),
            " ".join(f"\\x{key.hex()}" for key in named.keys),
            not named.attributed,
            one.source,
        )


@dataclass
class Replayed:
    """What became of replayed refusals: numbers of events stored, and each refusal that is still wrong with the reason."""

    replayed: int = 0
    events: int = 0
    duplicates: int = 0
    no_consent: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    reached: int = 0


def opened(row: store.Row, keys: DataKeys) -> Kept:
    """Decrypt a refused event."""
    cipher = keys.nobody() if row.person_no is None or row.data_key is None else keys.cipher(row.person_no, row.data_key)
    how = Arrival(row.received_at, timedelta(seconds=row.skew_s), row.anonymous_only)
    return Kept(row.refused_no, how, row.call, row.whole_body, cipher.unseal(row.payload), row.source)


async def listed(db: Database, tenant: int, reason: str | None, below: int, limit: int) -> list[store.Row]:
    """Return the newest refused events, still encrypted."""
    async with db.begin() as connection:
        return await store.newest(connection, tenant, reason, below, limit)


async def shown(db: Database, settings: Settings, tenant: int, refused_no: int) -> tuple[store.Row, Kept]:
    """Return one refused event with what was sent; raises NotFound."""
    async with db.begin() as connection:
        rows = await store.newest(connection, tenant, None, refused_no + 1, 1)
    if not rows or rows[0].refused_no != refused_no:
        raise NotFound("There is no refused event of this number.")
    return rows[0], opened(rows[0], DataKeys(settings))


async def replay_one(db: Database, settings: Settings, tenant: int, refused_no: int, fix: Fix) -> Replayed:
    """Put one refused event right and store it; raises NotFound."""
    keys = DataKeys(settings)
    told = await _replay(db, keys, settings, tenant, None, refused_no - 1, refused_no + 1, 1, fix)
    if not told.reached:
        raise NotFound("There is no refused event of this number, or it is being replayed now.")
    return told


async def replay(db: Database, settings: Settings, tenant: int, reason: str | None, limit: int, fix: Fix) -> Replayed:
    """Put refused events of a reason (None: of any) right and store them, the oldest first, at most `limit`.

    What was stored is forgotten here in the same transaction; what is still wrong stays, with its new reason.
    """
    keys, whole = DataKeys(settings), Replayed()
    done = 0
    while done < limit:
        told = await _replay(db, keys, settings, tenant, reason, whole.reached, store.HIGHEST, min(_AT_ONCE, limit - done), fix)
        if told.reached <= whole.reached:
            break
        whole.reached = told.reached
        whole.replayed += told.replayed
        whole.events += told.events
        whole.duplicates += told.duplicates
        whole.no_consent += told.no_consent
        whole.refused += told.refused
        done += told.replayed + len(told.refused)
    return whole


async def _replay(
    db: Database, keys: DataKeys, settings: Settings, tenant: int, reason: str | None, above: int, below: int, limit: int, fix: Fix
) -> Replayed:  # fmt: skip
    told = Replayed()
    async with db.begin() as connection:
        rows = await store.locked(connection, tenant, reason, above, below, limit)
        if not rows:
            return told
        told.reached = rows[-1].refused_no
        messages: dict[Source, list[list[Event]]] = {}
        good: list[int] = []
        for row in rows:
            try:
                source = _source(row)
                read = refusal.read(opened(row, keys), fix, source)
            except Refused as why:
                told.refused.append((row.refused_no, str(why)[:LONGEST_REASON]))
                continue
            messages.setdefault(source, []).extend(read)
            good.append(row.refused_no)
        for source, several in messages.items():
            await _store(connection, keys, settings, tenant, source, several, told)
        told.replayed = await store.drop(connection, tenant, good)
        if told.refused:
            await store.say_why(connection, tenant, told.refused)
    REFUSALS.labels("replayed").inc(told.replayed)
    return told


def _source(row: store.Row) -> Source:
    found = sources.named(row.source)
    if found is None:
        raise Refused(f"events of {row.source} cannot be read any more: there is no such source")
    return found


async def _store(
    connection: AsyncConnection,
    keys: DataKeys,
    settings: Settings,
    tenant: int,
    source: Source,
    messages: list[list[Event]],
    told: Replayed,
) -> None:
    first: dict[bytes, list[Event]] = {}
    for message in messages:
        first.setdefault(message[0].message_id, message)
    chosen = [event for message in first.values() for event in message]
    outcome = await source.store(connection, tenant, chosen, keys=keys, most_ids=settings.person_ids, defaults=Defaults.of(settings))
    doubled = {chosen[place].message_id for place in outcome.duplicates}
    told.duplicates += len(messages) - len(first) + len(doubled)
    told.no_consent += len({chosen[place].message_id for place in outcome.no_consent})
    told.events += len(outcome.landed)


async def drop_one(db: Database, tenant: int, refused_no: int) -> None:
    """Forget one refused event; raises NotFound."""
    async with db.begin() as connection:
        if not await store.drop(connection, tenant, [refused_no]):
            raise NotFound("There is no refused event of this number.")
