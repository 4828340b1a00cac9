"""The public door of people: consent."""

import asyncio
import time

from app.core.db import Database
from app.core.ids import IdentityKind
from app.core.settings import Settings
from app.data.people import identities, merges, store
from app.data.people.domain import id_fault
from app.data.people.keys import DataKeys

_LOOK_S = 0.05


class BadId(ValueError):
    """An external id cannot be stored; the text says why."""


async def set_consent(db: Database, settings: Settings, tenant: int, user_id: str, granted: bool) -> int:
    """Store whether a user wants personal answers, and post the change for Redis; return its number in the outbox.

    It holds for all ids that are one person with this one. A user who is not known yet is created, so that a refusal given before the
    first event holds. Raises BadId.
    """
    if fault := id_fault(user_id):
        raise BadId(f"user_id {fault}")
    identity = (int(IdentityKind.USER_ID), user_id)
    async with db.begin() as connection:
        person = (await identities.resolve(connection, tenant, [identity], DataKeys(settings)))[identity].person_no
        await merges.say(connection, tenant, person, granted, settings.person_ids)
        return await store.post(connection, tenant, "consent", person, {"granted": granted})


async def wait_applied(db: Database, tenant: int, outbox_no: int, seconds: float = 2.0) -> bool:
    """Wait until a change has reached Redis; False when it has not within the time."""
    end = time.monotonic() + seconds
    while not await store.confirmed(db, tenant, outbox_no):
        if time.monotonic() > end:
            return False
        await asyncio.sleep(_LOOK_S)
    return True
