"""The access part of a running process: who may call, how often, and signing; all of it works with the database dead."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from jose.backends.base import Key

from app.access.authenticator import Authenticator
from app.access.directory import AccessDirectory, ClientRecord
from app.access.domain import Scope
from app.access.limits.leases import Limiter
from app.access.tokens import jwt
from app.access.tokens.keys import Sealer
from app.access.tokens.rotation import load_directory
from app.core.db import Database
from app.core.errors import Unavailable
from app.core.logging import log
from app.core.outage import is_away
from app.core.settings import Settings


@dataclass(frozen=True, slots=True)
class LinkKeys:
    """HMAC keys of a tenant's links: the one that signs, and all that are believed, by kid."""

    kid: str
    secret: bytes
    believed: Mapping[str, bytes]


class Access:
    """The access part of one process: who may call (`authenticator`), how often (`limiter`), and signing."""

    def __init__(self, settings: Settings, db: Database | None, limiter: Limiter, directory: AccessDirectory | None = None) -> None:
        self.settings = settings
        self.db = db
        self.limiter = limiter
        self.authenticator = Authenticator(settings.issuer, directory)
        self._sealer = Sealer(settings)
        self._signers: dict[str, Key] = {}
        self._links: dict[int, tuple[LinkKeys, float, float]] = {}
        self._read_at = 0.0
        self._reading: asyncio.Task[None] | None = None
        self.web_origins = self.directory.web_origins()

    @property
    def directory(self) -> AccessDirectory:
        """The picture in use."""
        return self.authenticator.directory

    def use(self, directory: AccessDirectory) -> None:
        """Take a new picture of who may call."""
        self.authenticator.use(directory)
        self.web_origins = directory.web_origins()
        self._links = {}
        self._signers = {kid: key for kid, key in self._signers.items() if kid in directory.signing_keys}

    async def refresh(self) -> None:
        """Read the picture again from PostgreSQL; raises Unavailable when that is out of reach, and keeps the old one."""
        async with reachable(self.db) as db:
            self.use(await load_directory(db, self.settings))
        self._read_at = time.monotonic()

    async def follow(self) -> None:
        """Read the picture again after a change that is already kept; if that fails, the next look at PostgreSQL does it."""
        try:
            await self.refresh()
        except Unavailable:
            log.warning("access.refresh_failed")

    async def refresh_for_stranger(self) -> bool:
        """Read the picture again because a client is not in it, at most once a second; tells whether it was read.

        Raises Unavailable when it could not be read. All strangers of a moment share one reading, so that they hold one connection.
        """
        if self.db is None:
            return False
        if self._reading is None or self._reading.done():
            if time.monotonic() - self._read_at < 1.0:
                if self._reading is not None and self._reading.exception() is not None:
                    raise Unavailable("The database is out of reach.", headers={"Retry-After": "5"})
                return False
            self._read_at = time.monotonic()
            self._reading = asyncio.create_task(self.refresh())
            # also where nobody waits any more
            self._reading.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(self._reading)
        return True

    async def issue(self, client: ClientRecord, scopes: frozenset[Scope]) -> str:
        """Sign an access token, off the loop and without the database; raises Unavailable when no key can be opened."""
        for key in self.directory.signing(client.tenant, "token"):
            signer = self._signers.get(key.kid)
            if signer is None:
                private = self._sealer.open(key.tenant, key.kid, key.sealed)
                if private is None:
                    continue
                signer = self._signers[key.kid] = await asyncio.to_thread(jwt.private_key, private.decode())
            return await asyncio.to_thread(
                jwt.issue,
                signer,
                key.kid,
                issuer=self.settings.issuer,
                tenant=client.tenant,
                client_id=client.client_id,
                scopes=scopes,
                lifetime_s=self.settings.token_lifetime_s,
            )
        raise Unavailable("No signing key can be opened; was the master secret changed?")

    def link_keys(self, tenant: int) -> LinkKeys:
        """Return the keys of a tenant's links, in memory; raises Unavailable when none can be opened."""
        now = time.time()
        known = self._links.get(tenant)
        if known is not None and known[1] <= now < known[2]:
            return known[0]
        every = [k for k in self.directory.signing_keys.values() if k.tenant == tenant and k.purpose == "link"]
        opened = {key.kid: self._sealer.open(tenant, key.kid, key.sealed) for key in every}
        believed = {kid: secret for kid, secret in opened.items() if secret is not None}
        for key in self.directory.signing(tenant, "link", now):
            if key.kid in believed:
                links = LinkKeys(key.kid, believed[key.kid], believed)
                # a key that was added ahead of its time takes over while no new picture arrives
                until = min((k.active_from for k in every if k.active_from > now), default=math.inf)
                self._links[tenant] = (links, key.active_from, until)
                return links
        raise Unavailable("No key for links can be opened; was the master secret changed?")


@asynccontextmanager
async def reachable(db: Database | None) -> AsyncIterator[Database]:
    """Turn a database that is away into Unavailable."""
    if db is None:
        raise Unavailable("The database is out of reach.")
    try:
        yield db
    except Exception as error:
        # a statement that the database refused is a fault of ours and must be seen as one
        if not is_away(error):
            raise
        raise Unavailable("The database is out of reach.", headers={"Retry-After": "5"}) from error
