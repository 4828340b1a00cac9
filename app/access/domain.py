"""Who may call and what for: scopes, kinds of client and key, and the rules between them. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal
from urllib.parse import urlsplit

OnLimit = Literal["popular", "reject"]


class Scope(StrEnum):
    """What a credential may do. `admin` holds every other scope; `admin:read` holds the reading half of the rest."""

    RECOMMEND = "recommend"
    EVENTS = "events"
    CATALOG = "catalog"
    PROFILES = "profiles"
    CONTENT = "content"
    OPERATE = "operate"
    ACCESS = "access"
    ADMIN_READ = "admin:read"
    ADMIN = "admin"


class ClientKind(StrEnum):
    """What a program with credentials is; decides what happens over its limit, and whether it can keep a secret."""

    ESP = "esp"
    SERVICE = "service"
    WEBSITE = "website"
    APP = "app"


class KeyKind(StrEnum):
    """What an API key may be used for; see `key_scopes`."""

    API = "api"
    URL = "url"
    WRITE = "write"
    WEBSITE = "website"


class RuleBroken(ValueError):
    """A client or key that was asked for would break a rule; the text says which."""


EVERYTHING = frozenset(Scope)
# Programs that run in a browser or on a phone: whatever they hold can be read by anyone.
PUBLIC_KINDS = frozenset({ClientKind.WEBSITE, ClientKind.APP})
PUBLIC_SCOPES = frozenset({Scope.RECOMMEND, Scope.EVENTS})
# Keys that may stand in an address: they can only read what a passer-by may see.
ADDRESS_KINDS = frozenset({KeyKind.URL, KeyKind.WEBSITE})
_READ_BY_ADMIN_READ = frozenset({Scope.CATALOG, Scope.PROFILES, Scope.CONTENT, Scope.OPERATE, Scope.ACCESS, Scope.ADMIN_READ, Scope.ADMIN})
_KEY_SCOPES: dict[KeyKind, frozenset[Scope]] = {
    KeyKind.API: EVERYTHING,
    KeyKind.URL: frozenset({Scope.RECOMMEND}),
    KeyKind.WRITE: frozenset({Scope.EVENTS}),
    KeyKind.WEBSITE: PUBLIC_SCOPES,
}


def held(scopes: Iterable[Scope], scope: Scope, *, reading: bool = False) -> bool:
    """Tell whether a set of scopes holds one: itself, through `admin`, or, for a reading call, through `admin:read`."""
    given = frozenset(scopes)
    if scope in given or Scope.ADMIN in given:
        return True
    if Scope.ADMIN_READ not in given:
        return False
    return reading and scope in _READ_BY_ADMIN_READ


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of one request: a client and what the credential it showed may do.

    `placements` and `origins` are None when the credential is not bound; an empty set allows nothing.
    `key_kind` is None for an access token. `public` callers may ask only for anonymous or signed persons.
    `account` is the address of somebody who signed in, empty for a program.
    """

    tenant: int
    client_no: int
    client_id: str
    kind: ClientKind
    scopes: frozenset[Scope]
    rate_limit: str
    on_limit: OnLimit
    placements: frozenset[str] | None = None
    origins: frozenset[str] | None = None
    key_kind: KeyKind | None = None
    key_no: int | None = None
    public: bool = False
    account: str = ""

    @property
    def who(self) -> str:
        """What the audit log calls the caller."""
        return self.account or f"client {self.client_id}"

    def may(self, scope: Scope, *, reading: bool = False) -> bool:
        """Tell whether the caller holds a scope."""
        return scope in self.scopes or held(self.scopes, scope, reading=reading)

    def may_show(self, placement: str) -> bool:
        """Tell whether the caller may ask for a placement."""
        return self.placements is None or placement in self.placements


def default_on_limit(kind: ClientKind) -> OnLimit:
    """Return what happens over the limit unless the client says otherwise: an e-mail platform never sees an error."""
    return "popular" if kind is ClientKind.ESP else "reject"


def parse_scopes(values: Iterable[str]) -> frozenset[Scope]:
    """Read scope names; raises RuleBroken on an unknown one."""
    try:
        return frozenset(Scope(value) for value in values)
    except ValueError:
        raise RuleBroken(f"Unknown scope; there are {', '.join(Scope)}.") from None


def client_scopes(kind: ClientKind, wanted: frozenset[Scope]) -> frozenset[Scope]:
    """Return the scopes a new client gets; raises RuleBroken when its kind may not hold them, or there are none."""
    if not wanted:
        raise RuleBroken("A client needs at least one scope.")
    if kind in PUBLIC_KINDS and not wanted <= PUBLIC_SCOPES:
        raise RuleBroken(f"A client of kind {kind} is public and may hold only: {', '.join(sorted(PUBLIC_SCOPES))}.")
    return wanted


def key_scopes(kind: KeyKind, client: frozenset[Scope], wanted: frozenset[Scope] | None = None) -> frozenset[Scope]:
    """Return the scopes a new key gets: what its kind allows, its client holds and the caller asked for.

    Raises RuleBroken when nothing is left, or more was asked for than can be given.
    """
    allowed = frozenset(scope for scope in _KEY_SCOPES[kind] if held(client, scope))
    if wanted is not None and not wanted <= allowed:
        raise RuleBroken(f"A key of kind {kind} of this client may hold only: {', '.join(sorted(allowed)) or 'nothing'}.")
    granted = allowed if wanted is None else wanted
    if kind is KeyKind.API and wanted is None:
        granted = client
    if not granted:
        raise RuleBroken(f"The client holds no scope that a key of kind {kind} could carry.")
    return granted


def effective(credential: frozenset[Scope], client: frozenset[Scope]) -> frozenset[Scope]:
    """Return the scopes of a credential that its client still holds."""
    return frozenset(scope for scope in credential if held(client, scope))


def narrowed(client: frozenset[str] | None, key: frozenset[str] | None) -> frozenset[str] | None:
    """Combine two bindings, where None means unbound."""
    if client is None:
        return key
    return client if key is None else client & key


def origin(value: str) -> str:
    """Return an origin as browsers spell it (`https://shop.example:8443`); raises RuleBroken on anything else."""
    try:
        parts = urlsplit(value.strip().lower())
        port = parts.port
    except ValueError:
        raise RuleBroken("An origin looks like https://shop.example.") from None
    host = parts.hostname or ""
    rest = parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in ("http", "https") or not host or rest or "*" in host or not host.isascii() or any(c <= " " for c in host):
        raise RuleBroken("An origin looks like https://shop.example: a scheme, a host, perhaps a port, nothing else, no wildcard.")
    shown = f"[{host}]" if ":" in host else host
    standard = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{shown}" if port in (None, standard) else f"{parts.scheme}://{shown}:{port}"
