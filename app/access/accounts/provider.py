"""Signing in by an OpenID Connect provider: the code flow with PKCE (RFC 7636), an id_token that is believed only once verified.

Nothing is kept between the two steps: nonce and verifier travel in the state, sealed.
"""

import base64
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from cryptography.exceptions import InvalidTag
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import TypeAdapter, ValidationError

from app.access.accounts.schemas import Email
from app.core.errors import LimitReached, NotFound, Problem, Unauthorized
from app.core.logging import log
from app.core.secret import derive, seal, unseal
from app.core.settings import Settings

_SCOPE = "openid email profile"
_LASTS_S = 600.0
_LEEWAY_S = 60
_TIMEOUT_S = 10.0
_METADATA_S = 300.0
_MOST_AT_ONCE = 16
# Signatures that only the provider can make; never one whose key we share with it, never none.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
_STALE = "This sign-in took too long or did not begin here; begin again."
_EMAIL: TypeAdapter[str] = TypeAdapter(Email)
_metadata: dict[str, tuple[float, dict[str, Any]]] = {}
_at_once = 0


@dataclass(frozen=True)
class Vouched:
    """Whom the provider vouches for, and the tenant they asked for."""

    email: str
    name: str
    tenant: str


def name_of(settings: Settings) -> str:
    """Return what the provider is called, empty where none is configured."""
    return settings.oidc_name if settings.oidc_issuer else ""


async def begin(settings: Settings, tenant: str, redirect_uri: str) -> tuple[str, str]:
    """Return the provider's address to go to and the state that comes back; raises NotFound without a provider, Problem when it is away."""
    nonce, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    state = _sealed(settings, {"n": nonce, "v": verifier, "r": redirect_uri, "t": tenant, "at": time.time()})
    async with _client(settings) as (_, metadata):
        address = prepare_grant_uri(
            _text(metadata, "authorization_endpoint"), settings.oidc_client_id, "code", redirect_uri, _SCOPE, state, nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier), code_challenge_method="S256",
        )  # fmt: skip
    return str(address), state


async def finish(settings: Settings, code: str, state: str) -> Vouched:
    """Return whom the provider vouches for; raises Unauthorized for anything that is not as it must be, Problem when it is away."""
    begun = _opened(settings, state)
    async with _client(settings) as (client, metadata):
        token = await _token(settings, client, metadata, code, begun)
        keys = await _document(client, _text(metadata, "jwks_uri"))
        claims = _verified(settings, metadata, keys, str(token.get("id_token", "")), str(begun["n"]))
        if "email" not in claims and isinstance(metadata.get("userinfo_endpoint"), str):
            more = await _document(client, metadata["userinfo_endpoint"], str(token.get("access_token", "")))
            claims = {**more, **claims} if more.get("sub") == claims["sub"] else claims
    if claims.get("email_verified") is not True:
        raise Unauthorized(f"{name_of(settings)} does not vouch for your e-mail address: it must be verified there.")
    try:
        email = _EMAIL.validate_python(claims.get("email"))
    except ValidationError:
        raise Unauthorized(f"{name_of(settings)} told no e-mail address that can be one.") from None
    name = "".join(one for one in str(claims.get("name") or "") if one.isprintable())
    return Vouched(email, name[:200], str(begun["t"]))


def _verified(settings: Settings, metadata: Mapping[str, Any], keys: Any, id_token: str, nonce: str) -> dict[str, Any]:
    """Return the claims of an id_token (OpenID Connect Core 1.0, 3.1.3.7); raises Unauthorized."""
    needed = {"iss": _text(metadata, "issuer"), "aud": settings.oidc_client_id, "nonce": nonce}
    rules: dict[str, Any] = {name: {"essential": True, "value": value} for name, value in needed.items()}
    rules |= {name: {"essential": True} for name in ("sub", "exp", "iat")}
    try:
        claims = dict(jwt.decode(id_token, KeySet.import_key_set(keys), algorithms=_ALGORITHMS).claims)
        jwt.JWTClaimsRegistry(leeway=_LEEWAY_S, **rules).validate(claims)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        log.warning("login.id_token_refused", error=type(error).__name__, claim=str(getattr(error, "claim", ""))[:20])
        raise Unauthorized(f"What {name_of(settings)} sent cannot be believed; begin again.") from None
    audience = claims["aud"]
    if not isinstance(audience, str) and len(audience) > 1 and claims.get("azp") != settings.oidc_client_id:
        raise Unauthorized(f"What {name_of(settings)} sent is for somebody else.")
    return claims


@asynccontextmanager
async def _client(settings: Settings) -> AsyncIterator[tuple[httpx.AsyncClient, dict[str, Any]]]:
    """Give the connection to the provider and its metadata; what is wrong with it is told as Problem or Unauthorized."""
    global _at_once
    if not settings.oidc_issuer:
        raise NotFound("No provider to sign in by is configured.")
    if _at_once >= _MOST_AT_ONCE:
        raise LimitReached("Too many people sign in at once; try again.", headers={"Retry-After": "3"})
    _at_once += 1
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
            yield client, await _known(settings, client)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        log.warning("login.provider_away", error=type(error).__name__)
        raise Problem(
            f"{name_of(settings)} cannot be reached now; try again, or sign in with a password.", status=502, code="provider_away"
        ) from None
    finally:
        _at_once -= 1


async def _token(
    settings: Settings, client: httpx.AsyncClient, metadata: Mapping[str, Any], code: str, begun: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the provider gives for a code (RFC 6749, 4.1.3); raises Unauthorized where it refuses."""
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": begun["r"], "code_verifier": begun["v"],
        "client_id": settings.oidc_client_id,
    }  # fmt: skip
    secret, auth = settings.oidc_client_secret.get_secret_value(), httpx.Auth()
    if secret and "client_secret_basic" in (metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]):
        auth = httpx.BasicAuth(settings.oidc_client_id, secret)
    elif secret:
        form["client_secret"] = secret
    answer = await client.post(_text(metadata, "token_endpoint"), data=form, auth=auth, headers={"Accept": "application/json"})
    if 400 <= answer.status_code < 500:
        log.warning("login.provider_refused", status=answer.status_code)
        raise Unauthorized(f"{name_of(settings)} did not let you in; begin again.")
    return _object(answer)


async def _known(settings: Settings, client: httpx.AsyncClient) -> dict[str, Any]:
    """Return the provider's metadata (OpenID Connect Discovery 1.0), read again after some minutes."""
    issuer = settings.oidc_issuer
    read_at, found = _metadata.get(issuer, (0.0, {}))
    if found and time.monotonic() - read_at < _METADATA_S:
        return found
    found = await _document(client, f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if _text(found, "issuer").rstrip("/") != issuer.rstrip("/"):
        raise ValueError("the metadata are those of another issuer")
    _metadata[issuer] = (time.monotonic(), found)
    return found


async def _document(client: httpx.AsyncClient, address: str, token: str = "") -> dict[str, Any]:
    return _object(await client.get(address, headers={"Authorization": f"Bearer {token}"} if token else {}))


def _object(answer: httpx.Response) -> dict[str, Any]:
    answer.raise_for_status()
    found = answer.json()
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise ValueError(f"the metadata have no {name}")
    return value


def _sealed(settings: Settings, values: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(seal(derive(settings, "provider-states"), orjson.dumps(values))).decode().rstrip("=")


def _opened(settings: Settings, state: str) -> dict[str, Any]:
    """Open a state that was sealed here a short while ago; raises Unauthorized."""
    try:
        sealed = base64.urlsafe_b64decode(state + "=" * (-len(state) % 4))
        found: dict[str, Any] = orjson.loads(unseal(derive(settings, "provider-states"), sealed))
    except (ValueError, InvalidTag):
        raise Unauthorized(_STALE) from None
    if not 0 <= time.time() - found["at"] < _LASTS_S:
        raise Unauthorized(_STALE)
    return found
