"""OAuth 2.0 routes: tokens for client credentials (RFC 6749), revocation (RFC 7009), keys (RFC 7517), metadata (RFC 8414)."""

import base64
import binascii
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from fastapi import APIRouter, Request, Response

from app.access import service
from app.access.deps import access_of, problems
from app.access.directory import ClientRecord
from app.access.domain import Scope, held
from app.access.limits.counting import parse_limit
from app.access.runtime import Access, reachable
from app.access.schemas import Done, JsonWebKey, JsonWebKeySet, ServerMetadata, Token
from app.access.tokens import jwt
from app.access.tokens.keys import same_secret
from app.core.errors import Problem, TooLarge, ascii_json

router = APIRouter(tags=["oauth"])

_LARGEST_FORM = 16_384
_FORM = "application/x-www-form-urlencoded"
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
# Signing costs a millisecond; a client that caches its token for a minute never meets this.
_TOKENS_PER_CLIENT = "60/minute"
# Code of ours, status and `error` of RFC 6749 (5.2).
_ERRORS = {
    "invalid_request": ("bad_request", 400),
    "invalid_client": ("invalid_client", 401),
    "unsupported_grant_type": ("unsupported_grant_type", 400),
    "invalid_scope": ("invalid_scope", 400),
    "unauthorized_client": ("forbidden", 400),
    "temporarily_unavailable": ("rate_limited", 429),
}


def _refused(error: str, detail: str, **headers: str) -> Problem:
    """Build problem+json that also carries `error`, which OAuth libraries look for."""
    code, status = _ERRORS[error]
    sent = {**_NO_STORE, **headers}
    if status == 401:
        sent["WWW-Authenticate"] = 'Basic realm="morsel", charset="UTF-8"'
    return Problem(detail, code=code, status=status, headers=sent, error=error, error_description=detail)


async def _form(request: Request) -> dict[str, str]:
    kind = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
    if kind != _FORM:
        raise _refused("invalid_request", f"Send the parameters as {_FORM}.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_FORM:
            raise TooLarge("The form is larger than 16 KB.", headers=_NO_STORE)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=20, errors="strict")
    except ValueError:
        raise _refused("invalid_request", "The form cannot be read.") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise _refused("invalid_request", "A parameter comes more than once.")
    return form


def _credentials(request: Request, form: dict[str, str]) -> tuple[str, str]:
    """Return client id and secret from the Basic header or from the form, never from both."""
    sent = request.headers.getlist("authorization")
    if not sent:
        return form.get("client_id", ""), form.get("client_secret", "")
    if len(sent) > 1 or "client_secret" in form:
        raise _refused("invalid_request", "Authenticate one way only: with Basic or in the form.")
    scheme, _, value = sent[0].partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError("not Basic")
        name, colon, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        if not colon:
            raise ValueError("no colon")
        # both halves are form-urlencoded before they are joined (RFC 6749, 2.3.1)
        name, secret = unquote_plus(name, errors="strict"), unquote_plus(secret, errors="strict")
    except (ValueError, binascii.Error):
        raise _refused("invalid_client", "The Authorization header is not a readable Basic credential.") from None
    if form.get("client_id", name) != name:
        raise _refused("invalid_request", "Header and form name different clients.")
    return name, secret


async def _client(access: Access, request: Request, form: dict[str, str]) -> ClientRecord:
    name, secret = _credentials(request, form)
    client = access.directory.clients.get(name)
    if client is None and name.startswith("mc_") and await access.refresh_for_stranger():
        client = access.directory.clients.get(name)
    if not same_secret(secret, client.secret_hash if client else None) or client is None:
        raise _refused("invalid_client", "The client id or the secret is wrong, or the client was revoked.")
    return client


def _granted(client: ClientRecord, wanted: str | None) -> frozenset[Scope]:
    if wanted is None:
        return client.scopes
    names = [name for name in wanted.split(" ") if name]
    known = {str(scope): scope for scope in Scope}
    if not names or any(name not in known or not held(client.scopes, known[name]) for name in names):
        raise _refused("invalid_scope", f"This client may ask for: {' '.join(sorted(client.scopes))}.")
    return frozenset(known[name] for name in names)


def _form_of(required: list[str], optional: list[str]) -> dict[str, Any]:
    names = {name: {"type": "string"} for name in [*required, "client_id", "client_secret", *optional]}
    schema = {"type": "object", "required": required, "properties": names}
    return {"requestBody": {"required": True, "content": {_FORM: {"schema": schema}}}}


@router.post(
    "/oauth/token",
    summary="Get an access token",
    response_model=Token,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "A token; with `format=text` nothing else."},
        **problems(400, 401, 413, 429, 503),
    },
    openapi_extra=_form_of(["grant_type"], ["scope", "format"]),
)
async def token(request: Request) -> Response:
    """Give a token to a client that shows its id and secret, with Basic or in the form."""
    access = access_of(request)
    form = await _form(request)
    if "client_secret" in request.query_params:
        raise _refused("invalid_request", "A secret must not stand in an address: it ends up in logs.")
    client = await _client(access, request, form)
    if form.get("grant_type") != "client_credentials":
        error = "unsupported_grant_type" if form.get("grant_type") else "invalid_request"
        raise _refused(error, "Only grant_type=client_credentials is supported.")
    scopes = _granted(client, form.get("scope"))
    if not access.limiter.limiter.hit(parse_limit(_TOKENS_PER_CLIENT)[0], "token", client.client_id):
        raise _refused("temporarily_unavailable", "Too many tokens; keep one until it expires.", **{"Retry-After": "60"})
    text = await access.issue(client, scopes)
    if form.get("format", request.query_params.get("format")) == "text":
        return Response(text, headers=_NO_STORE, media_type="text/plain")
    answer = Token(access_token=text, expires_in=access.settings.token_lifetime_s, scope=" ".join(sorted(scopes)))
    return Response(ascii_json(answer.model_dump()), headers=_NO_STORE, media_type="application/json")


@router.post(
    "/oauth/revoke",
    summary="Revoke an access token",
    responses=problems(400, 401, 413, 503),
    openapi_extra=_form_of(["token"], ["token_type_hint"]),
)
async def revoke(request: Request, response: Response) -> Done:
    """Make a token of the calling client worthless, here at once and on every server within `refresh_ms`."""
    response.headers.update(_NO_STORE)
    access = access_of(request)
    form = await _form(request)
    client = await _client(access, request, form)
    if not form.get("token"):
        raise _refused("invalid_request", "Name the token.")
    try:
        claims = access.authenticator.verify(form["token"].encode("utf-8", "replace"))
    except jwt.InvalidToken:
        # a token that is no longer valid is what was asked for (RFC 7009, 2.2)
        return Done()
    if (claims.tenant, claims.client_id) != (client.tenant, client.client_id):
        raise _refused("unauthorized_client", "The token was issued to another client.")
    async with reachable(access.db) as db:
        await service.revoke_token(db, claims)
    await access.follow()
    return Done()


@lru_cache(maxsize=256)
def _jwk(kid: str, pem: str) -> JsonWebKey:
    return JsonWebKey.model_validate(jwt.jwk_of(kid, pem))


@router.get("/.well-known/jwks.json", summary="Public keys of the tokens")
async def jwks(request: Request, response: Response) -> JsonWebKeySet:
    """Return every public key that a token now in use may name."""
    response.headers["Cache-Control"] = "public, max-age=300"
    known = access_of(request).directory.signing_keys.values()
    newest_first = sorted((k for k in known if k.public_pem), key=lambda k: k.active_from, reverse=True)
    return JsonWebKeySet(keys=[_jwk(k.kid, k.public_pem) for k in newest_first if k.public_pem])


@router.get("/.well-known/oauth-authorization-server", summary="What this authorization server can do")
async def metadata(request: Request, response: Response) -> ServerMetadata:
    """Return the metadata of RFC 8414; `issuer` is the `iss` of the tokens."""
    settings = access_of(request).settings
    response.headers["Cache-Control"] = "no-store"
    try:
        base = (settings.public_url or str(request.base_url)).rstrip("/")
    except ValueError:
        # the Host header is the caller's, and may be no host at all
        base = f"http://{settings.host}:{settings.port}"
    methods = ["client_secret_basic", "client_secret_post"]
    return ServerMetadata(
        issuer=settings.issuer,
        token_endpoint=f"{base}/oauth/token",
        revocation_endpoint=f"{base}/oauth/revoke",
        jwks_uri=f"{base}/.well-known/jwks.json",
        grant_types_supported=["client_credentials"],
        response_types_supported=[],
        scopes_supported=[str(scope) for scope in Scope],
        token_endpoint_auth_methods_supported=methods,
        revocation_endpoint_auth_methods_supported=methods,
    )
