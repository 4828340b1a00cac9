"""Everything needed to know a caller without a database: clients, hashed keys, signing keys, revocations."""

import base64
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from app.access.domain import ClientKind, KeyKind, OnLimit, Scope

Purpose = Literal["token", "link"]
# A token lives at most this long (the bound of the setting), so a key that stopped signing is kept this long.
LONGEST_TOKEN_S = 86_400
FORMAT = 1


@dataclass(frozen=True, slots=True)
class ClientRecord:
    """A client that is not revoked; `secret_hash` is SHA-256 of a 256-bit random secret, None for public kinds."""

    tenant: int
    client_no: int
    client_id: str
    name: str
    kind: ClientKind
    scopes: frozenset[Scope]
    rate_limit: str
    on_limit: OnLimit
    secret_hash: bytes | None = None
    placements: frozenset[str] | None = None
    origins: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """An API key that is not revoked, known by the SHA-256 of its text; `expires_at` in seconds since 1970."""

    tenant: int
    key_no: int
    client_id: str
    kind: KeyKind
    key_hash: bytes
    scopes: frozenset[Scope]
    placements: frozenset[str] | None = None
    origins: frozenset[str] | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs tokens (RSA) or links (HMAC). The private half stays sealed, so that a copy on disk tells nothing.

    It signs from `active_from` to `retired_at`. Tokens it signed are believed until they have all expired, links for
    ever: they stand in e-mails that people open years later.
    """

    tenant: int
    kid: str
    purpose: Purpose
    sealed: bytes
    public_pem: str | None
    active_from: float
    retired_at: float | None = None

    def trusted(self, now: float) -> bool:
        """Tell whether something signed by this key may still be in use."""
        return self.purpose == "link" or self.retired_at is None or now < self.retired_at + LONGEST_TOKEN_S

    def signs(self, now: float) -> bool:
        """Tell whether this key may sign at a moment."""
        return self.active_from <= now and (self.retired_at is None or now < self.retired_at)


@dataclass(frozen=True, slots=True)
class FreshKey:
    """A new signing key: `private` is PEM text for tokens, 32 bytes for links."""

    kid: str
    purpose: Purpose
    sealed: bytes
    public_pem: str | None


@dataclass(frozen=True)
class AccessDirectory:
    """An immutable picture of who may call; a change makes a new one. Mappings must not be changed by their readers."""

    clients: Mapping[str, ClientRecord] = field(default_factory=dict)
    keys: Mapping[bytes, KeyRecord] = field(default_factory=dict)
    signing_keys: Mapping[str, SigningKey] = field(default_factory=dict)
    revoked: frozenset[tuple[int, str, str]] = frozenset()
    tenants: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        clients: Iterable[ClientRecord],
        keys: Iterable[KeyRecord],
        signing_keys: Iterable[SigningKey],
        revoked: Iterable[tuple[int, str, str]] = (),
        tenants: Mapping[int, str] | None = None,
    ) -> "AccessDirectory":
        """Index records; what a revocation names is left out."""
        gone = frozenset(revoked)
        known = {c.client_id: c for c in clients if (c.tenant, "client", c.client_id) not in gone}
        return cls(
            clients=known,
            keys={
                k.key_hash: k
                for k in keys
                if (k.tenant, "key", f"api:{k.key_no}") not in gone and k.client_id in known and known[k.client_id].tenant == k.tenant
            },
            signing_keys={s.kid: s for s in signing_keys if (s.tenant, "key", f"kid:{s.kid}") not in gone},
            revoked=gone,
            tenants=dict(tenants or {}),
        )

    def signing(self, tenant: int, purpose: Purpose, now: float | None = None) -> list[SigningKey]:
        """Return a tenant's keys that may sign now, the one to use first."""
        moment = time.time() if now is None else now
        able = [k for k in self.signing_keys.values() if k.tenant == tenant and k.purpose == purpose and k.signs(moment)]
        return sorted(able, key=lambda k: (k.active_from, k.kid), reverse=True)

    def web_origins(self) -> frozenset[str]:
        """Return every origin that some key for browsers is bound to."""
        found: set[str] = set()
        for key in self.keys.values():
            if key.kind in (KeyKind.WEBSITE, KeyKind.WRITE):
                found |= key.origins or self.clients[key.client_id].origins or frozenset()
        return frozenset(found)

    def to_document(self) -> dict[str, Any]:
        """Return a plain JSON-ready copy, for a snapshot on disk. It holds hashes and sealed keys, no secret."""
        return {
            "format": FORMAT,
            "clients": [_plain(c) for c in self.clients.values()],
            "keys": [_plain(k) for k in self.keys.values()],
            "signing_keys": [_plain(s) for s in self.signing_keys.values()],
            "revoked": sorted([tenant, kind, value] for tenant, kind, value in self.revoked),
            "tenants": [[number, name] for number, name in sorted(self.tenants.items())],
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "AccessDirectory":
        """Read what `to_document` wrote; raises ValueError on another format or a damaged document."""
        if document.get("format") != FORMAT:
            raise ValueError("unknown format of an access document")
        try:
            return cls.build(
                [_client(row) for row in document["clients"]],
                [_key(row) for row in document["keys"]],
                [SigningKey(**{**row, "sealed": _bytes(row["sealed"])}) for row in document["signing_keys"]],
                [(tenant, kind, value) for tenant, kind, value in document["revoked"]],
                {int(number): name for number, name in document["tenants"]},
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("damaged access document") from error


def _plain(record: ClientRecord | KeyRecord | SigningKey) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in asdict(record).items():
        if isinstance(value, frozenset):
            out[name] = sorted(value)
        elif isinstance(value, bytes):
            out[name] = base64.b64encode(value).decode()
        else:
            out[name] = value
    return out


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _names(values: list[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)


def _bound(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "scopes": frozenset(Scope(s) for s in row["scopes"]),
        "placements": _names(row["placements"]),
        "origins": _names(row["origins"]),
    }


def _client(row: Mapping[str, Any]) -> ClientRecord:
    secret = row["secret_hash"]
    return ClientRecord(
        **{**row, **_bound(row), "kind": ClientKind(row["kind"]), "secret_hash": None if secret is None else _bytes(secret)}
    )


def _key(row: Mapping[str, Any]) -> KeyRecord:
    return KeyRecord(**{**row, **_bound(row), "kind": KeyKind(row["kind"]), "key_hash": _bytes(row["key_hash"])})
