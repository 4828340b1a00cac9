"""The only SQL of access: clients, keys, signing keys, revocations."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.access.directory import LONGEST_TOKEN_S, AccessDirectory, ClientRecord, FreshKey, KeyRecord, Purpose, SigningKey
from app.access.domain import ClientKind, KeyKind, Scope, default_on_limit
from app.core import locks
from app.core.changes import bump
from app.core.errors import NotFound

_CLIENT = "tenant, client_no, client_id, name, kind, secret_hash, scopes, rate_limit, on_limit, origins, placements, created_at, revoked_at"
_KEY = (
    "k.tenant, k.key_no, c.client_id, k.kind, k.key_hash, k.hint, k.scopes, k.placements, k.origins, "
    "k.created_at, k.expires_at, k.revoked_at"
)


async def read_directory(connection: AsyncConnection, default_limit: str) -> AccessDirectory:
    """Read everything that is needed to know a caller, of all tenants, as of one moment."""
    await connection.execute(text("set transaction isolation level repeatable read"))
    tenants = await _all(connection, "select tenant, name from tenant")
    clients = await _all(connection, f"select {_CLIENT} from client where revoked_at is null")
    keys = await _all(
        connection,
        f"select {_KEY} from api_key k join client c using (tenant, client_no) "
        "where k.revoked_at is null and c.revoked_at is null and (k.expires_at is null or k.expires_at > now())",
    )
    revoked = await _all(connection, "select tenant, kind, value from revocation where expires_at is null or expires_at > now()")
    return AccessDirectory.build(
        [_client_record(row, default_limit) for row in clients],
        [_key_record(row) for row in keys],
        await signing_keys(connection),
        [(row.tenant, row.kind, row.value) for row in revoked],
        {row.tenant: row.name for row in tenants},
    )


async def signing_keys(connection: AsyncConnection, tenant: int | None = None) -> list[SigningKey]:
    """Return the signing keys that are still believed, of one tenant or all."""
    rows = await _all(
        connection,
        "select s.tenant, s.kid, s.purpose, s.private_sealed, s.public_pem, s.active_from, s.retired_at from signing_key s "
        "where (cast(:tenant as smallint) is null or s.tenant = :tenant) "
        "and (s.purpose = 'link' or s.retired_at is null or s.retired_at > now() - make_interval(secs => :kept)) "
        "and not exists (select from revocation r where r.tenant = s.tenant and r.kind = 'key' and r.value = 'kid:' || s.kid)",
        tenant=tenant,
        kept=LONGEST_TOKEN_S,
    )
    return [
        SigningKey(
            row.tenant,
            row.kid,
            row.purpose,
            row.private_sealed,
            row.public_pem,
            row.active_from.timestamp(),
            row.retired_at.timestamp() if row.retired_at else None,
        )
        for row in rows
    ]


async def lock_signing_keys(connection: AsyncConnection) -> None:
    """Let one process at a time make signing keys, until the end of the transaction."""
    await connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": locks.SIGNING_KEYS})


async def add_signing_key(connection: AsyncConnection, tenant: int, key: FreshKey, after_s: float, *, retire: bool = True) -> datetime:
    """Add a key that signs from `after_s` seconds on, when the ones before it stop; return that moment."""
    values = {"tenant": tenant, "purpose": key.purpose, "after": after_s}
    if retire:
        await connection.execute(
            text(
                "update signing_key set retired_at = now() + make_interval(secs => :after) where tenant = :tenant and purpose = :purpose "
                "and (retired_at is null or retired_at > now() + make_interval(secs => :after))"
            ),
            values,
        )
    added = await connection.execute(
        text(
            "insert into signing_key (tenant, kid, purpose, private_sealed, public_pem, active_from) "
            "values (:tenant, :kid, :purpose, :sealed, :pem, now() + make_interval(secs => :after)) returning active_from"
        ),
        {**values, "kid": key.kid, "sealed": key.sealed, "pem": key.public_pem},
    )
    await bump(connection, tenant, "access")
    moment: datetime = added.scalar_one()
    return moment


async def believed_kids(connection: AsyncConnection, tenant: int, purpose: Purpose) -> list[str]:
    """Return the kids of one purpose that are still believed."""
    return [key.kid for key in await signing_keys(connection, tenant) if key.purpose == purpose]


async def add_client(connection: AsyncConnection, values: dict[str, Any]) -> Row[Any]:
    """Insert a client and return its row."""
    row = await connection.execute(
        text(
            "insert into client (tenant, client_id, name, kind, secret_hash, scopes, rate_limit, on_limit, origins, placements) values "
            f"(:tenant, :client_id, :name, :kind, :secret_hash, :scopes, :rate_limit, :on_limit, :origins, :placements) returning {_CLIENT}"
        ),
        values,
    )
    await bump(connection, values["tenant"], "access")
    return row.one()


async def clients(connection: AsyncConnection, tenant: int) -> Sequence[Row[Any]]:
    """Return a tenant's clients, revoked ones too, newest last."""
    return await _all(connection, f"select {_CLIENT} from client where tenant = :tenant order by client_no", tenant=tenant)


async def client(connection: AsyncConnection, tenant: int, client_id: str) -> Row[Any]:
    """Return one client that is not revoked; raises NotFound."""
    rows = await _all(
        connection,
        f"select {_CLIENT} from client where tenant = :tenant and client_id = :client_id and revoked_at is null for share",
        tenant=tenant,
        client_id=client_id,
    )
    if not rows:
        raise NotFound("There is no such client.")
    return rows[0]


async def revoke_client(connection: AsyncConnection, tenant: int, client_id: str) -> None:
    """Revoke a client with all its keys and tokens; raises NotFound."""
    done = await connection.execute(
        text("update client set revoked_at = now() where tenant = :tenant and client_id = :id and revoked_at is null returning client_no"),
        {"tenant": tenant, "id": client_id},
    )
    client_no = done.scalar_one_or_none()
    if client_no is None:
        raise NotFound("There is no such client.")
    await connection.execute(
        text("update api_key set revoked_at = now() where tenant = :tenant and client_no = :no and revoked_at is null"),
        {"tenant": tenant, "no": client_no},
    )
    await revoke(connection, tenant, "client", client_id)
    await bump(connection, tenant, "access")


async def add_key(connection: AsyncConnection, values: dict[str, Any]) -> Row[Any]:
    """Insert an API key and return its row."""
    row = await connection.execute(
        text(
            "with k as (insert into api_key (tenant, client_no, kind, key_hash, hint, scopes, placements, origins, expires_at) values "
            "(:tenant, :client_no, :kind, :key_hash, :hint, :scopes, :placements, :origins, :expires_at) returning *) "
            f"select {_KEY} from k join client c using (tenant, client_no)"
        ),
        values,
    )
    await bump(connection, values["tenant"], "access")
    return row.one()


async def keys(connection: AsyncConnection, tenant: int) -> Sequence[Row[Any]]:
    """Return a tenant's API keys, revoked ones too."""
    return await _all(
        connection,
        f"select {_KEY} from api_key k join client c using (tenant, client_no) where k.tenant = :tenant order by k.key_no",
        tenant=tenant,
    )


async def revoke_key(connection: AsyncConnection, tenant: int, key_no: int) -> None:
    """Revoke an API key; raises NotFound."""
    done = await connection.execute(
        text("update api_key set revoked_at = now() where tenant = :tenant and key_no = :no and revoked_at is null"),
        {"tenant": tenant, "no": key_no},
    )
    if not done.rowcount:
        raise NotFound("There is no such key.")
    await revoke(connection, tenant, "key", f"api:{key_no}")
    await bump(connection, tenant, "access")


async def revoke(connection: AsyncConnection, tenant: int, kind: str, value: str, until: datetime | None = None) -> None:
    """Write a revocation; until when it matters, or for ever. Doing it twice changes nothing."""
    await connection.execute(
        text(
            "insert into revocation (tenant, kind, value, expires_at) values (:tenant, :kind, :value, :until) "
            "on conflict (tenant, kind, value) do nothing"
        ),
        {"tenant": tenant, "kind": kind, "value": value, "until": until},
    )
    await bump(connection, tenant, "revocations")


async def forget_expired(connection: AsyncConnection) -> None:
    """Delete revocations of tokens that have expired anyway, and signing keys that nobody believes any more."""
    await connection.execute(text("delete from revocation where expires_at < now() - interval '1 day'"))
    await connection.execute(
        text("delete from signing_key where purpose = 'token' and retired_at < now() - make_interval(secs => :kept)"),
        {"kept": LONGEST_TOKEN_S + 86_400},
    )


async def tenant_number(connection: AsyncConnection, name: str) -> int:
    """Return a tenant's number; raises NotFound."""
    rows = await _all(connection, "select tenant from tenant where name = :name", name=name)
    if not rows:
        raise NotFound("There is no such tenant.")
    return int(rows[0].tenant)


async def _all(connection: AsyncConnection, sql: str, **values: Any) -> Sequence[Row[Any]]:
    return (await connection.execute(text(sql), values)).all()


def _bound(values: Iterable[str]) -> frozenset[str] | None:
    # the empty array of the table means that there is no binding
    return frozenset(values) or None


def _scopes(values: Iterable[str]) -> frozenset[Scope]:
    # a scope that a newer release wrote is no reason not to start
    known = {str(scope) for scope in Scope}
    return frozenset(Scope(value) for value in values if value in known)


def _client_record(row: Row[Any], default_limit: str) -> ClientRecord:
    kind = ClientKind(row.kind)
    return ClientRecord(
        tenant=row.tenant,
        client_no=row.client_no,
        client_id=row.client_id,
        name=row.name,
        kind=kind,
        scopes=_scopes(row.scopes),
        rate_limit=row.rate_limit or default_limit,
        on_limit=row.on_limit or default_on_limit(kind),
        secret_hash=row.secret_hash,
        placements=_bound(row.placements),
        origins=_bound(row.origins),
    )


def _key_record(row: Row[Any]) -> KeyRecord:
    return KeyRecord(
        tenant=row.tenant,
        key_no=row.key_no,
        client_id=row.client_id,
        kind=KeyKind(row.kind),
        key_hash=row.key_hash,
        scopes=_scopes(row.scopes),
        placements=_bound(row.placements),
        origins=_bound(row.origins),
        expires_at=row.expires_at.timestamp() if row.expires_at else None,
    )
