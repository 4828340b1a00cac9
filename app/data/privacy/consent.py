"""The public door of people: consent, to personal answers and by purpose."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from app.core.db import Database
from app.core.ids import IdentityKind
from app.core.settings import Settings
from app.data import outbox
from app.data.identity import merges, told, watched
from app.data.identity import store as identities
from app.data.identity.domain import id_fault
from app.data.identity.purposes import PERSONALISATION
from app.data.identity.told import Word
from app.data.identity.traits import micros
from app.data.identity.vault import DataKeys

WAIT_S = 2.0
_LOOK_S = 0.05
_SOURCE = "api"


class BadId(ValueError):
    """An external id cannot be stored; the text says why."""


async def set_consent(db: Database, settings: Settings, tenant: int, user_id: str, granted: bool, *, who: str = "morsel") -> int:
    """Store whether a user wants personal answers; see `set_purposes`."""
    return await set_purposes(db, settings, tenant, user_id, {PERSONALISATION: granted}, who=who)


async def set_purposes(
    db: Database, settings: Settings, tenant: int, user_id: str, said: Mapping[str, bool], *, who: str = "morsel"
) -> int:  # fmt: skip
    """Store what a user said of purposes, and post the change for Redis; return its number in the outbox.

    It holds for all ids that are one person with this one. A user who is not known yet is created, so that a refusal given before the
    first event holds. The audit log names `who` said so. Raises BadId.
    """
    user_id = user_id.strip()
    if fault := id_fault(user_id):
        raise BadId(f"user_id {fault}")
    identity = (int(IdentityKind.USER_ID), user_id)
    async with db.begin() as connection:
        person = (await identities.resolve(connection, tenant, [identity], DataKeys(settings)))[identity].person_no
        now = datetime.now(UTC)
        if PERSONALISATION in said:
            await merges.say(connection, tenant, person, said[PERSONALISATION], settings.person_ids, now)
        await told.say(connection, tenant, _SOURCE, [Word(person, said, False, micros(now))])
        await watched.changed(connection, settings, tenant, who, "consent", identity, note=_note(said))
        return await outbox.post(connection, tenant, "consent", person, {})


def _note(said: Mapping[str, bool]) -> str:
    """Say what was said; of personal answers as ever."""
    words = {True: "given", False: "withdrawn"}
    if [*said] == [PERSONALISATION]:
        return words[said[PERSONALISATION]]
    return ", ".join(f"{name} {words[granted]}" for name, granted in said.items())


async def wait_applied(db: Database, tenant: int, outbox_no: int, seconds: float | None = None) -> bool:
    """Wait until a change has reached Redis; False when it has not within the time, `WAIT_S` unless told."""
    end = time.monotonic() + (WAIT_S if seconds is None else seconds)
    while not await outbox.confirmed(db, tenant, outbox_no):
        if time.monotonic() > end:
            return False
        await asyncio.sleep(_LOOK_S)
    return True
