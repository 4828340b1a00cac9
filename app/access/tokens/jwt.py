"""Access tokens: the one place that touches python-jose, with everything closed that the library leaves open.

Only RS256; the algorithm list has one element; keys are objects built once, never PEM text that could be taken for an
HMAC secret; JWE is never imported; size, alphabet, depth and types are checked before and after the library looks.
"""

import base64
import binascii
import json
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from jose import jwk, jwt
from jose.backends.base import Key
from jose.exceptions import JOSEError

ALGORITHM = "RS256"
LARGEST_BYTES = 4096
LEEWAY_S = 5
_LATEST = 253_402_300_800
_SHAPE = re.compile(rb"[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{2,}")
_TYPES = frozenset({"at+jwt", "application/at+jwt"})
_LARGEST_HEADER = 512
_MOST_BRACKETS = 16
# Everything that the library was seen to let out on crafted tokens.
_LIBRARY_ERRORS = (JOSEError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
_OPTIONS = {f"require_{claim}": True for claim in ("aud", "iat", "exp", "iss", "sub", "jti")} | {"leeway": LEEWAY_S}


class InvalidToken(ValueError):
    """The token is not one of ours, or no longer valid. Why is for logs and tests, not for the caller."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says; times in seconds since 1970."""

    tenant: int
    client_id: str
    scopes: frozenset[str]
    jti: str
    kid: str
    issued_at: int
    expires_at: int


def public_key(pem: str) -> Key:
    """Build the key object that verifies; done once a key, since parsing PEM costs as much as verifying."""
    return jwk.construct(pem, ALGORITHM)


def private_key(pem: str) -> Key:
    """Build the key object that signs."""
    return jwk.construct(pem, ALGORITHM)


def jwk_of(kid: str, pem: str) -> dict[str, str]:
    """Return a public key as a JSON Web Key (RFC 7517)."""
    fields = public_key(pem).public_key().to_dict()
    plain = {name: value.decode() if isinstance(value, bytes) else str(value) for name, value in fields.items()}
    return {"kty": "RSA", "use": "sig", "alg": ALGORITHM, "kid": kid, "n": plain["n"], "e": plain["e"]}


def issue(key: Key, kid: str, *, issuer: str, tenant: int, client_id: str, scopes: Iterable[str], lifetime_s: int) -> str:
    """Sign an access token for a client (claims as in RFC 9068, and `tenant`)."""
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": issuer,
        "sub": client_id,
        "client_id": client_id,
        "tenant": tenant,
        "scope": " ".join(sorted(scopes)),
        "jti": secrets.token_urlsafe(18),
        "iat": now,
        "exp": now + lifetime_s,
    }
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": kid, "typ": "at+jwt"})


def _decode(segment: bytes) -> bytes:
    raw = base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
    # base64 is lax about the last bits: without this, several texts would be the same token
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != segment:
        raise InvalidToken("not canonical base64")
    return raw


def _flat(raw: bytes) -> None:
    # json.loads recurses in C and in Python; a deep document must not get there
    if raw.count(b"{") + raw.count(b"[") > _MOST_BRACKETS:
        raise InvalidToken("nested too deeply")


def key_id(token: bytes) -> str:
    """Check the form of a token without believing it, and return the `kid` that it names; raises InvalidToken."""
    if len(token) > LARGEST_BYTES:
        raise InvalidToken("too large")
    if _SHAPE.fullmatch(token) is None:
        raise InvalidToken("not three base64url parts")
    head, body, signature = token.split(b".")
    if len(head) > _LARGEST_HEADER:
        raise InvalidToken("header too large")
    try:
        raw = _decode(head)
        _flat(raw)
        _flat(_decode(body))
        _decode(signature)
        header = json.loads(raw)
    except (ValueError, binascii.Error, RecursionError) as error:
        raise InvalidToken("unreadable") from error
    if not isinstance(header, dict) or header.get("alg") != ALGORITHM or not isinstance(header["alg"], str):
        raise InvalidToken("wrong algorithm")
    # no critical extension is understood here, so a token that names one must be refused (RFC 7515, 4.1.11)
    if "crit" in header or not isinstance(header.get("typ"), str) or header["typ"].lower() not in _TYPES:
        raise InvalidToken("wrong type")
    kid = header.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= 64:
        raise InvalidToken("no kid")
    return kid


def verify(token: bytes, kid: str, key: Key, *, issuer: str) -> Claims:
    """Check the signature and every claim of a token whose form `key_id` has checked; raises InvalidToken."""
    try:
        claims = jwt.decode(token.decode("ascii"), key, algorithms=[ALGORITHM], audience=issuer, issuer=issuer, options=_OPTIONS)
        return _claims(claims, kid, issuer)
    except InvalidToken:
        raise
    except _LIBRARY_ERRORS as error:
        raise InvalidToken(type(error).__name__) from error


def _claims(claims: dict[str, Any], kid: str, issuer: str) -> Claims:
    # the library compares loosely (an audience list, numbers as text, Infinity): ours are exact
    if claims["iss"] != issuer or claims["aud"] != issuer:
        raise InvalidToken("another issuer or audience")
    times = [claims["exp"], claims["iat"], claims.get("nbf", 0)]
    if any(type(value) is not int or not 0 <= value < _LATEST for value in times):
        raise InvalidToken("a time is not a number of seconds")
    now = time.time()
    if claims["exp"] <= now - LEEWAY_S or claims["iat"] > now + LEEWAY_S or times[2] > now + LEEWAY_S:
        raise InvalidToken("expired or not yet valid")
    tenant, subject, jti, scope = claims.get("tenant"), claims["sub"], claims["jti"], claims.get("scope")
    if type(tenant) is not int or not all(isinstance(value, str) and value for value in (subject, jti, scope)):
        raise InvalidToken("a claim has the wrong type")
    if claims.get("client_id") != subject:
        raise InvalidToken("subject is not the client")
    return Claims(tenant, subject, frozenset(str(scope).split(" ")), jti, kid, claims["iat"], claims["exp"])
