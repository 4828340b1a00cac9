"""Wire shapes of the access routes."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.access.domain import ClientKind, KeyKind, OnLimit, Scope

# PostgreSQL text cannot hold NUL, and a lone surrogate is no text
Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
PlacementName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewClient(_Strict):
    """A client to create."""

    name: Word = Field(description="What people call it.")
    kind: ClientKind = Field(ClientKind.SERVICE, description="Public kinds (website, app) get no secret.")
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope))
    rate_limit: str | None = Field(None, max_length=200, description="Such as `100/second; 6000/minute`; empty means the default.")
    on_limit: OnLimit | None = Field(None, description="What it gets over its limit; by default popular items for esp, else a refusal.")
    placements: list[PlacementName] = Field(default_factory=list, max_length=200, description="Bound to these; empty means all.")
    origins: list[Word] = Field(default_factory=list, max_length=50, description="Web origins its website keys may be used from.")


class NewKey(_Strict):
    """An API key to create."""

    kind: KeyKind = KeyKind.API
    scopes: list[Scope] | None = Field(None, max_length=len(Scope), description="Fewer than the kind and the client allow.")
    placements: list[PlacementName] = Field(default_factory=list, max_length=200, description="Required for url keys.")
    origins: list[Word] = Field(default_factory=list, max_length=50, description="Required for website keys.")
    expires_at: datetime | None = Field(None, description="Moment from which the key is refused.")


class ClientView(BaseModel):
    """A client as it is shown: never with its secret."""

    client_id: str
    name: str
    kind: ClientKind
    scopes: list[Scope]
    rate_limit: str
    on_limit: OnLimit
    placements: list[str]
    origins: list[str]
    created_at: datetime
    revoked: bool


class KeyView(BaseModel):
    """An API key as it is shown: never the key."""

    key_no: int
    client_id: str
    kind: KeyKind
    hint: str
    scopes: list[Scope]
    placements: list[str]
    origins: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked: bool


class CreatedClient(ClientView):
    """A new client, and its secret, shown this once."""

    client_secret: str | None = Field(description="Keep it: it is not shown again. Absent for public kinds.")


class CreatedKey(KeyView):
    """A new key, shown this once."""

    key: str = Field(description="Keep it: it is not shown again.")


class ClientList(BaseModel):
    """All clients of the tenant."""

    clients: list[ClientView]
    keys: list[KeyView]


class Done(BaseModel):
    """The change was made."""

    status: Literal["done"] = "done"


class Rotation(_Strict):
    """How to rotate the signing keys."""

    purpose: Literal["token", "link"] = "token"
    compromised: bool = Field(False, description="Stop believing the old keys at once: every token or link they signed fails.")


class Rotated(BaseModel):
    """The key that signs from `active_from` on."""

    kid: str
    purpose: Literal["token", "link"]
    active_from: datetime


class Token(BaseModel):
    """An access token (RFC 6749, 5.1)."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of a kind of token
    expires_in: int
    scope: str


class JsonWebKey(BaseModel):
    """A public RSA key (RFC 7517)."""

    kty: Literal["RSA"]
    use: Literal["sig"]
    alg: Literal["RS256"]
    kid: str
    n: str
    e: str


class JsonWebKeySet(BaseModel):
    """Every key that a token now in use may name."""

    keys: list[JsonWebKey]


class ServerMetadata(BaseModel):
    """What this authorization server can do (RFC 8414)."""

    issuer: str
    token_endpoint: str
    revocation_endpoint: str
    jwks_uri: str
    grant_types_supported: list[str]
    response_types_supported: list[str]
    scopes_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    revocation_endpoint_auth_methods_supported: list[str]
