"""FastAPI dependencies of protected routes: who is calling, may they, and are they within their limit."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from fastapi import Request, Security
from fastapi.openapi.models import APIKey, APIKeyIn, HTTPBase, OAuth2, OAuthFlowClientCredentials, OAuthFlows
from fastapi.openapi.models import SecurityBase as SecurityModel
from fastapi.security.base import SecurityBase

from app.access.domain import Principal, Scope
from app.access.gate import Access
from app.core.errors import CODES, Forbidden, Problem

_READING = frozenset({"GET", "HEAD"})
_WHY = {
    400: "The request cannot be understood.",
    401: "No valid credential came with the request.",
    403: "The credential may not do this.",
    404: "There is nothing under this name.",
    409: "The change does not fit the present state.",
    413: "The body is too large.",
    422: "A field has a wrong value.",
    429: "The client is over its limit.",
    503: "A part this call needs is out of reach.",
}
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": sorted(CODES)},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {"type": "object", "properties": {"field": {"type": "string"}, "message": {"type": "string"}}},
        },
    },
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe error answers for a route's `responses=`, as problem+json."""
    content = {"application/problem+json": {"schema": _PROBLEM}}
    return {status: {"description": _WHY[status], "content": content} for status in statuses}


# What every protected route that takes a body may answer.
PROTECTED = problems(400, 401, 403, 413, 422, 429)


class _Documented(SecurityBase):
    """A way to authenticate that stands in the OpenAPI document; `authenticate` does the work."""

    def __init__(self, model: SecurityModel, name: str) -> None:
        self.model = model
        self.scheme_name = name

    async def __call__(self) -> None:
        return None


_SCOPES = {str(scope): f"The scope {scope}." for scope in Scope}
_flows = OAuthFlows(clientCredentials=OAuthFlowClientCredentials(tokenUrl="/oauth/token", scopes=_SCOPES))
_OAUTH = _Documented(OAuth2(flows=_flows), "oauth")
_BEARER = _Documented(HTTPBase(scheme="bearer", description="An access token."), "bearer")
_BASIC = _Documented(HTTPBase(scheme="basic", description="An API key as user, with an empty password."), "basic")
_HEADER = _Documented(APIKey.model_validate({"in": APIKeyIn.header, "name": "X-Api-Key"}), "api_key")


def access_of(request: Request) -> Access:
    """Return the access part of the running server."""
    access = request.app.state.access
    assert isinstance(access, Access)
    return access


class Sent(Protocol):
    """A body that was read: its document, and what is wrong with it, if anything."""

    @property
    def document(self) -> dict[str, Any]: ...

    @property
    def problem(self) -> Problem | None: ...


Body = TypeVar("Body", bound=Sent)


def require_sender(read: Callable[[Request], Awaitable[Body]]) -> Callable[..., Awaitable[tuple[Principal, Body]]]:
    """Return a dependency that gives who sends events, and what `read` finds in the body.

    The caller is named by headers or address, else by the document's `writeKey`, which is taken out of it. Raises Unauthorized,
    Forbidden, RateLimitExceeded, and the body's own problem where it leaves nobody to name.
    """

    async def caller(
        request: Request,
        _oauth: None = Security(_OAUTH),
        _bearer: None = Security(_BEARER),
        _basic: None = Security(_BASIC),
        _header: None = Security(_HEADER),
    ) -> tuple[Principal, Body]:
        access, key = access_of(request), request.query_params.get("key")
        body: Body | None = None
        if key or "authorization" in request.headers or "x-api-key" in request.headers:
            principal = access.authenticator.authenticate(request.scope["headers"], key)
        else:
            body = await read(request)
            if body.problem is not None:
                raise body.problem
            principal = access.authenticator.by_write_key(body.document.get("writeKey"))
        if not principal.may(Scope.EVENTS):
            raise Forbidden(f"This call needs the scope {Scope.EVENTS}.")
        await access.limiter.guard(request, principal)
        body = await read(request) if body is None else body
        body.document.pop("writeKey", None)
        return principal, body

    return caller


def require(*scopes: Scope, limited: bool = True) -> Callable[..., Awaitable[Principal]]:
    """Return a dependency that gives the caller, who must hold at least one of the scopes.

    Use: `caller: Annotated[Principal, Depends(require(Scope.CATALOG))]`. GET and HEAD count as reading, for which
    `admin:read` is enough. Raises Unauthorized, Forbidden, and RateLimitExceeded unless `limited` is false.
    """
    if not scopes:
        raise ValueError("a protected route names at least one scope")

    async def caller(
        request: Request,
        _oauth: None = Security(_OAUTH),
        _bearer: None = Security(_BEARER),
        _basic: None = Security(_BASIC),
        _header: None = Security(_HEADER),
    ) -> Principal:
        access = access_of(request)
        principal = access.authenticator.authenticate(request.scope["headers"], request.query_params.get("key"))
        reading = request.method in _READING
        if not any(principal.may(scope, reading=reading) for scope in scopes):
            raise Forbidden(f"This call needs the scope {' or '.join(scopes)}.")
        if limited:
            await access.limiter.guard(request, principal)
        return principal

    return caller
