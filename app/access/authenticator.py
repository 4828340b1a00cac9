"""Knows a caller from the headers of a request, in memory and without waiting."""

import base64
import binascii
import hashlib
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from jose.backends.base import Key

from app.access.directory import AccessDirectory, ClientRecord, KeyRecord
from app.access.domain import ADDRESS_KINDS, EVERYTHING, PUBLIC_KINDS, KeyKind, Principal, RuleBroken, Scope, effective, narrowed, origin
from app.access.tokens import jwt
from app.access.tokens.keys import KEY_PREFIX, LONGEST_KEY
from app.core.errors import Forbidden, Unauthorized

Headers = Sequence[tuple[bytes, bytes]]
_REFUSED = "The credential is not valid: it is unknown, expired or revoked."


@dataclass(slots=True)
class _Remembered:
    """A token whose signature was good, and who it was for as seen in one directory."""

    claims: jwt.Claims
    principal: Principal
    directory: AccessDirectory


class Authenticator:
    """Holds the directory and the verified tokens of one process.

    Tokens are remembered under the SHA-256 of the whole token: under `jti` or signature a changed payload would pass.
    Expiry is checked at every hit; revocation, client and signing key whenever the directory is a new one, and since a
    directory never changes, that is the same as at every hit.
    """

    def __init__(self, issuer: str, directory: AccessDirectory | None = None, *, remembered: int = 8192) -> None:
        self._issuer = issuer
        self._most = remembered
        self._tokens: OrderedDict[bytes, _Remembered] = OrderedDict()
        self._verifiers: dict[str, Key] = {}
        self._keys: dict[bytes, tuple[Principal, float]] = {}
        self.directory = AccessDirectory()
        self.use(directory or self.directory)

    def use(self, directory: AccessDirectory) -> None:
        """Take a new directory; what is remembered is judged by it from the next call on."""
        known = self._verifiers
        self._verifiers = {
            key.kid: known.get(key.kid) or jwt.public_key(key.public_pem)
            for key in directory.signing_keys.values()
            if key.purpose == "token" and key.public_pem
        }
        self._keys = {
            digest: (_by_key(record, directory.clients[record.client_id]), record.expires_at or float("inf"))
            for digest, record in directory.keys.items()
        }
        self.directory = directory

    def authenticate(self, headers: Headers, query_key: str | None = None) -> Principal:
        """Return who calls, from raw ASGI headers and the `key` of the query.

        Raises Unauthorized, and Forbidden for a website key used from an origin it is not bound to.
        """
        return self.known(headers, query_key)[0]

    def known(self, headers: Headers, query_key: str | None = None) -> tuple[Principal, float]:
        """Return who calls, and until when (unix seconds) the same headers name the same caller, whatever the query says.

        That holds only while `directory` is the same; raises as `authenticate` does.
        """
        authorization = api_key = None
        for name, value in headers:
            if name == b"authorization":
                if authorization is not None:
                    raise Unauthorized("The request carries two Authorization headers.")
                authorization = value
            elif name == b"x-api-key":
                if api_key is not None:
                    raise Unauthorized("The request carries two X-Api-Key headers.")
                api_key = value
        if authorization is not None:
            if authorization[:7].lower() == b"bearer ":
                return self._bearer(authorization[7:].strip())
            if authorization[:6].lower() == b"basic ":
                return self._from_key(_basic_user(authorization[6:]), headers)
            raise Unauthorized("Authorization must be Bearer with a token or Basic with a key as user.")
        if api_key is not None:
            return self._from_key(api_key, headers)
        if query_key:
            return self._from_key(query_key.encode("utf-8", "replace"), headers, kinds=ADDRESS_KINDS)[0], 0.0
        raise Unauthorized("This call needs a credential: a Bearer token or an API key.")

    def by_write_key(self, write_key: object) -> Principal:
        """Return who sends events with a `writeKey` in the body; raises Unauthorized."""
        if not isinstance(write_key, str):
            raise Unauthorized(_REFUSED)
        return self._from_key(write_key.encode("utf-8", "replace"), (), kinds=frozenset({KeyKind.WRITE}))[0]

    def verify(self, token: bytes) -> jwt.Claims:
        """Return the claims of a valid token without remembering it; raises InvalidToken."""
        kid = jwt.key_id(token)
        key = self._verifiers.get(kid)
        if key is None:
            raise jwt.InvalidToken("unknown kid")
        return jwt.verify(token, kid, key, issuer=self._issuer)

    def _bearer(self, token: bytes) -> tuple[Principal, float]:
        digest = hashlib.sha256(token).digest()
        known = self._tokens.get(digest)
        try:
            if known is None:
                claims = self.verify(token)
                known = _Remembered(claims, self._by_token(claims), self.directory)
                self._tokens[digest] = known
                if len(self._tokens) > self._most:
                    self._tokens.popitem(last=False)
                return known.principal, claims.expires_at
            if known.claims.expires_at <= time.time():
                raise jwt.InvalidToken("expired")
            if known.directory is not self.directory:
                known.principal = self._by_token(known.claims)
                known.directory = self.directory
        except jwt.InvalidToken:
            self._tokens.pop(digest, None)
            raise Unauthorized(_REFUSED, headers={"WWW-Authenticate": 'Bearer realm="morsel", error="invalid_token"'}) from None
        self._tokens.move_to_end(digest)
        return known.principal, known.claims.expires_at

    def _by_token(self, claims: jwt.Claims) -> Principal:
        directory = self.directory
        signer = directory.signing_keys.get(claims.kid)
        client = directory.clients.get(claims.client_id)
        if signer is None or client is None or not signer.trusted(time.time()):
            raise jwt.InvalidToken("client or signing key is gone")
        if client.tenant != claims.tenant or signer.tenant != claims.tenant:
            raise jwt.InvalidToken("another tenant")
        if (claims.tenant, "jti", claims.jti) in directory.revoked:
            raise jwt.InvalidToken("revoked")
        scopes = frozenset(Scope(s) for s in claims.scopes if s in EVERYTHING)
        return principal(client, effective(scopes, client.scopes))

    def _from_key(self, key: bytes, headers: Headers, kinds: frozenset[KeyKind] | None = None) -> tuple[Principal, float]:
        if not key.startswith(KEY_PREFIX) or len(key) > LONGEST_KEY:
            raise Unauthorized(_REFUSED)
        # looked up by hash: how long it takes tells nothing about a key
        found = self._keys.get(hashlib.sha256(key).digest())
        if found is None or found[1] <= time.time():
            raise Unauthorized(_REFUSED)
        caller, until = found
        if kinds is not None and caller.key_kind not in kinds:
            raise Unauthorized("A key of this kind may not be sent this way.")
        if caller.key_kind is KeyKind.WEBSITE:
            _check_origin(caller, headers)
        return caller, until


def principal(client: ClientRecord, scopes: frozenset[Scope], key: KeyRecord | None = None) -> Principal:
    """Build the caller that a client is, through a token or one of its keys."""
    return Principal(
        tenant=client.tenant,
        client_no=client.client_no,
        client_id=client.client_id,
        kind=client.kind,
        scopes=scopes,
        rate_limit=client.rate_limit,
        on_limit=client.on_limit,
        placements=narrowed(client.placements, key.placements if key else None),
        origins=narrowed(client.origins, key.origins if key else None),
        key_kind=key.kind if key else None,
        key_no=key.key_no if key else None,
        public=client.kind in PUBLIC_KINDS or (key is not None and key.kind is KeyKind.WEBSITE),
    )


def _by_key(record: KeyRecord, client: ClientRecord) -> Principal:
    return principal(client, effective(record.scopes, client.scopes), record)


def _basic_user(value: bytes) -> bytes:
    try:
        user, _, password = base64.b64decode(value.strip(), validate=True).partition(b":")
    except (ValueError, binascii.Error):
        raise Unauthorized("The Basic credential cannot be read.") from None
    if password:
        raise Unauthorized("With Basic, the key is the user and the password is empty.")
    return user


def _check_origin(caller: Principal, headers: Headers) -> None:
    """Refuse a website key outside its origins; a page of the same origin sends no Origin but a Referer."""
    sent = {name: value.decode("latin-1") for name, value in headers if name in (b"origin", b"referer")}
    came_from = sent.get(b"origin")
    if came_from is None and b"referer" in sent:
        scheme, _, rest = sent[b"referer"].partition("://")
        came_from = f"{scheme}://{rest.split('/', 1)[0].split('?', 1)[0]}"
    try:
        known = came_from is not None and caller.origins is not None and origin(came_from) in caller.origins
    except RuleBroken:
        known = False
    if not known:
        raise Forbidden("This key may be used only by pages of the origins it is bound to.")
