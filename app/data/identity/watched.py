"""Who read or changed what is known of a person: lines of the audit log, under a hint of the id, which outlives an erasure."""

from sqlalchemy.ext.asyncio import AsyncConnection

from app.access import audit
from app.core.db import Database
from app.core.settings import Settings
from app.data.identity.domain import Identity
from app.data.identity.vault import DataKeys

KIND = "person"
EVERYBODY = "many"
"""Stands where ids of many people were shown."""


def hint(settings: Settings, tenant: int, identity: Identity) -> str:
    """Return what the audit log calls the person of an id."""
    return DataKeys(settings).hint(tenant, *identity)


async def read(db: Database, settings: Settings, tenant: int, who: str, identity: Identity, note: str = "") -> None:
    """Tell that somebody reads what is known of a person, at most once a minute for each reader and person."""
    await noted(db, tenant, who, hint(settings, tenant, identity), note)


async def noted(db: Database, tenant: int, who: str, name: str, note: str = "") -> None:
    """Tell a reading under a name that stands for a person, or for many, at most once a minute."""
    async with db.begin() as connection:
        if not await audit.told_lately(connection, tenant, who, "read", KIND, name):
            await audit.record(connection, tenant, who, "read", KIND, name, note=note)


async def changed(
    connection: AsyncConnection, settings: Settings, tenant: int, who: str, what: str, identity: Identity, note: str = ""
) -> None:
    """Tell a change of a person, in the transaction of the change itself."""
    await audit.record(connection, tenant, who, what, KIND, hint(settings, tenant, identity), note=note)
