"""The door of access: create, list and revoke clients and keys, and the check before a server listens to others."""

import ipaddress
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from app.access import audit, store
from app.access.domain import (
    PUBLIC_KINDS,
    ClientKind,
    KeyKind,
    RuleBroken,
    Scope,
    client_scopes,
    default_on_limit,
    held,
    key_scopes,
    origin,
    parse_scopes,
)
from app.access.limits.counting import parse_limit
from app.access.schemas import ClientView, CreatedClient, CreatedKey, KeyView, NewClient, NewKey
from app.access.tokens import jwt
from app.access.tokens.keys import digest, hint, new_api_key, new_client_id, new_client_secret
from app.core.db import Database
from app.core.errors import Forbidden, Invalid
from app.core.logging import log
from app.core.settings import Settings

Scopes = frozenset[Scope]
COMMAND = "command line"
"""Who the audit log names where nobody signed in: whoever may use the machine."""
_LAST_YEAR = 2200


class Exposed(RuntimeError):
    """The server would listen to others while its secrets are the default ones."""


async def create_client(db: Database, settings: Settings, tenant: int, wanted: NewClient, who: str = COMMAND) -> CreatedClient:
    """Create a client; raises Invalid when it would break a rule. Public kinds get no secret."""
    async with db.begin() as connection:
        made = await _add_client(connection, settings, tenant, wanted)
        await audit.record(connection, tenant, who, "create", "client", made.client_id, note=made.name)
    log.info("access.client_created", tenant=tenant, client_id=made.client_id, kind=made.kind)
    return made


async def create_client_with_key(
    db: Database, settings: Settings, tenant: int, wanted: NewClient, key: NewKey
) -> tuple[CreatedClient, CreatedKey]:
    """Create a client and a key of it, both or neither; raises Invalid when one would break a rule."""
    async with db.begin() as connection:
        client = await _add_client(connection, settings, tenant, wanted)
        made = await _add_key(connection, tenant, client.client_id, key)
        await audit.record(connection, tenant, COMMAND, "create", "client", client.client_id, note=client.name)
        await audit.record(connection, tenant, COMMAND, "create", "key", str(made.key_no), note=f"{made.kind} of {client.client_id}")
    log.info("access.client_created", tenant=tenant, client_id=client.client_id, kind=client.kind)
    log.info("access.key_created", tenant=tenant, client_id=client.client_id, kind=key.kind, key_no=made.key_no)
    return client, made


async def _add_client(connection: AsyncConnection, settings: Settings, tenant: int, wanted: NewClient) -> CreatedClient:
    with _rules():
        scopes = client_scopes(wanted.kind, frozenset(wanted.scopes))
        origins = sorted({origin(value) for value in wanted.origins})
        if wanted.rate_limit:
            _check_limit(wanted.rate_limit)
    secret = None if wanted.kind in PUBLIC_KINDS else new_client_secret()
    values = {
        "tenant": tenant,
        "client_id": new_client_id(),
        "name": wanted.name,
        "kind": str(wanted.kind),
        "secret_hash": digest(secret) if secret else None,
        "scopes": sorted(scopes),
        "rate_limit": wanted.rate_limit or None,
        "on_limit": wanted.on_limit,
        "origins": origins,
        "placements": sorted(set(wanted.placements)),
    }
    row = await store.add_client(connection, values)
    return CreatedClient(**client_view(row, settings).model_dump(), client_secret=secret)


async def create_key(
    db: Database, tenant: int, client_id: str, wanted: NewKey, who: str = COMMAND, within: Scopes | None = None
) -> CreatedKey:
    """Create an API key of a client; raises NotFound, Invalid when it would break a rule, Forbidden for a scope beyond `within`."""
    async with db.begin() as connection:
        made = await _add_key(connection, tenant, client_id, wanted)
        check_given(made.scopes, within)
        await audit.record(connection, tenant, who, "create", "key", str(made.key_no), note=f"{made.kind} of {client_id}")
    log.info("access.key_created", tenant=tenant, client_id=client_id, kind=wanted.kind, key_no=made.key_no)
    return made


async def _add_key(connection: AsyncConnection, tenant: int, client_id: str, wanted: NewKey) -> CreatedKey:
    client = await store.client(connection, tenant, client_id)
    with _rules():
        scopes = key_scopes(wanted.kind, parse_scopes(client.scopes), None if wanted.scopes is None else frozenset(wanted.scopes))
        placements = _within(wanted.placements, client.placements, "placements")
        origins = _within([origin(value) for value in wanted.origins], client.origins, "origins")
        _check_bounds(wanted, placements, origins)
    key = new_api_key(wanted.kind)
    values = {
        "tenant": tenant,
        "client_no": client.client_no,
        "kind": str(wanted.kind),
        "key_hash": digest(key),
        "hint": hint(key),
        "scopes": sorted(scopes),
        "placements": placements,
        "origins": origins,
        "expires_at": _utc(wanted.expires_at),
    }
    return CreatedKey(**key_view(await store.add_key(connection, values)).model_dump(), key=key)


def _check_bounds(wanted: NewKey, placements: list[str], origins: list[str]) -> None:
    expires_at = _utc(wanted.expires_at)
    if expires_at is not None and (expires_at.year > _LAST_YEAR or expires_at <= datetime.now(UTC)):
        raise RuleBroken(f"A key expires after now and before {_LAST_YEAR}.")
    if wanted.kind is KeyKind.URL and not placements:
        raise RuleBroken("A url key is bound to placements: name at least one.")
    if wanted.kind is KeyKind.WEBSITE and not origins:
        raise RuleBroken("A website key is bound to origins: name at least one, such as https://shop.example.")


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def check_given(given: Iterable[Scope], within: Scopes | None) -> None:
    """Raise Forbidden where somebody would give more than they hold: it would be theirs a moment later."""
    if within is not None and not all(held(within, scope) for scope in given):
        raise Forbidden("Nobody can give a scope that they do not hold.")


async def list_clients(db: Database, settings: Settings, tenant: int) -> tuple[list[ClientView], list[KeyView]]:
    """Return a tenant's clients and keys, revoked ones too."""
    async with db.begin() as connection:
        clients, keys = await store.clients(connection, tenant), await store.keys(connection, tenant)
    return [client_view(row, settings) for row in clients], [key_view(row) for row in keys]


async def revoke_client(db: Database, tenant: int, client_id: str, who: str = COMMAND) -> None:
    """Revoke a client with its keys and tokens; servers follow within the pause of `refresh_ms`. Raises NotFound."""
    async with db.begin() as connection:
        await store.revoke_client(connection, tenant, client_id)
        await audit.record(connection, tenant, who, "revoke", "client", client_id)
    log.info("access.client_revoked", tenant=tenant, client_id=client_id)


async def revoke_key(db: Database, tenant: int, key_no: int, who: str = COMMAND) -> None:
    """Revoke an API key; raises NotFound."""
    async with db.begin() as connection:
        await store.revoke_key(connection, tenant, key_no)
        await audit.record(connection, tenant, who, "revoke", "key", str(key_no))
    log.info("access.key_revoked", tenant=tenant, key_no=key_no)


async def revoke_token(db: Database, claims: jwt.Claims) -> None:
    """Revoke one access token by its `jti`."""
    until = datetime.fromtimestamp(claims.expires_at + 60, UTC)
    async with db.begin() as connection:
        await store.revoke(connection, claims.tenant, "jti", claims.jti, until)


async def tenant_number(db: Database, name: str) -> int:
    """Return the number of a tenant by its name; raises NotFound."""
    async with db.begin() as connection:
        return await store.tenant_number(connection, name)


def check_exposure(settings: Settings) -> None:
    """Refuse to listen beyond this machine on secrets that were never chosen; raises Exposed."""
    host = settings.host.strip("[]")
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host.lower() == "localhost"
    if not local and not settings.secret.get_secret_value():
        raise Exposed(
            f"Morsel would listen on {settings.host or 'all addresses'} with a generated secret. "
            "Set MORSEL_SECRET to 32 or more random characters, or MORSEL_HOST to 127.0.0.1."
        )


def client_view(row: Row[Any], settings: Settings) -> ClientView:
    """Return what may be shown of a client."""
    return ClientView(
        client_id=row.client_id,
        name=row.name,
        kind=row.kind,
        scopes=row.scopes,
        rate_limit=row.rate_limit or settings.default_rate_limit,
        on_limit=row.on_limit or default_on_limit(ClientKind(row.kind)),
        placements=row.placements,
        origins=row.origins,
        created_at=row.created_at,
        revoked=row.revoked_at is not None,
    )


def key_view(row: Row[Any]) -> KeyView:
    """Return what may be shown of a key."""
    return KeyView(
        key_no=row.key_no,
        client_id=row.client_id,
        kind=row.kind,
        hint=row.hint,
        scopes=row.scopes,
        placements=row.placements,
        origins=row.origins,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked=row.revoked_at is not None,
    )


def _within(wanted: list[str], client: list[str], what: str) -> list[str]:
    """Return the binding of a key; a key cannot reach beyond its client, and takes the client's binding by default."""
    if client and not set(wanted) <= set(client):
        raise RuleBroken(f"The client is bound to other {what}: {', '.join(client)}.")
    return sorted(set(wanted or client))


def _check_limit(text: str) -> None:
    try:
        parse_limit(text)
    except ValueError:
        raise RuleBroken("A limit looks like 100/second; 6000/minute.") from None


@contextmanager
def _rules() -> Iterator[None]:
    """Turn a broken rule into a 422."""
    try:
        yield
    except RuleBroken as error:
        raise Invalid(str(error)) from None
