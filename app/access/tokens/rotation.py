"""Signing keys: read with the directory of callers, made when there are none, and rotated."""

import asyncio

from app.access import store
from app.access.directory import AccessDirectory, FreshKey, Purpose
from app.access.schemas import Rotated
from app.access.tokens.keys import Sealer
from app.core.db import Database
from app.core.logging import log
from app.core.settings import Settings

# The first key signs at once, also where the clocks of database and server differ.
_AT_ONCE_S = -3600.0
_PURPOSES: tuple[Purpose, ...] = ("token", "link")


async def load_directory(db: Database, settings: Settings) -> AccessDirectory:
    """Read who may call, of all tenants; makes the signing keys of a tenant that has none yet."""
    async with db.begin() as connection:
        directory = await store.read_directory(connection, settings.default_rate_limit)
    sealer = Sealer(settings)
    missing = [(t, p) for t in directory.tenants for p in _PURPOSES if not _openable(directory, sealer, t, p)]
    if not missing:
        return directory
    for tenant, purpose in missing:
        await _first_key(db, sealer, tenant, purpose)
    async with db.begin() as connection:
        return await store.read_directory(connection, settings.default_rate_limit)


def _openable(directory: AccessDirectory, sealer: Sealer, tenant: int, purpose: Purpose) -> bool:
    return any(sealer.open(tenant, key.kid, key.sealed) is not None for key in directory.signing(tenant, purpose))


async def _first_key(db: Database, sealer: Sealer, tenant: int, purpose: Purpose) -> None:
    async with db.begin() as connection:
        await store.lock_signing_keys(connection)
        present = AccessDirectory.build([], [], await store.signing_keys(connection, tenant))
        if _openable(present, sealer, tenant, purpose):
            return
        if present.signing(tenant, purpose):
            log.warning("access.signing_keys_of_another_secret", tenant=tenant, purpose=purpose)
        fresh = await asyncio.to_thread(sealer.fresh, tenant, purpose)
        await store.add_signing_key(connection, tenant, fresh, _AT_ONCE_S, retire=False)


async def rotate(db: Database, settings: Settings, tenant: int, purpose: Purpose = "token", *, compromised: bool = False) -> Rotated:
    """Make a new signing key.

    It signs once every server has had time to read its public half; what the old ones signed stays valid until it
    expires. `compromised`: the new one signs at once and nothing that the old ones signed is believed.
    """
    sealer = Sealer(settings)
    fresh: FreshKey = await asyncio.to_thread(sealer.fresh, tenant, purpose)
    after = _AT_ONCE_S if compromised else max(5.0, 3 * settings.refresh_ms / 1000)
    async with db.begin() as connection:
        await store.lock_signing_keys(connection)
        if compromised:
            for kid in await store.believed_kids(connection, tenant, purpose):
                await store.revoke(connection, tenant, "key", f"kid:{kid}")
        active_from = await store.add_signing_key(connection, tenant, fresh, after)
        await store.forget_expired(connection)
    log.info("access.rotated", tenant=tenant, purpose=purpose, kid=fresh.kid, compromised=compromised)
    return Rotated(kid=fresh.kid, purpose=purpose, active_from=active_from)
