"""FastAPI dependencies of protected routes: who is calling, may they, and are they within their limit."""

import difflib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Protocol, TypeVar

from fastapi import Request, Security
from fastapi.dependencies.models import Dependant
from fastapi.openapi.models import APIKey, APIKeyIn, HTTPBase, OAuth2, OAuthFlowClientCredentials, OAuthFlows
from fastapi.openapi.models import SecurityBase as SecurityModel
from fastapi.security.base import SecurityBase

from app.access.accounts import signing_in
from app.access.accounts.signing_in import Known
from app.access.domain import Principal, Scope
from app.access.limits.counting import Budget
from app.access.runtime import Access, reachable
from app.core.errors import CODES, BadRequest, Forbidden, Problem, Unauthorized

_READING = frozenset({"GET", "HEAD"})
_WHY = {
    400: "The request cannot be understood.",
    401: "No valid credential came with the request.",
    403: "The credential may not do this.",
    404: "There is nothing under this name.",
    409: "The change does not fit the present state.",
    412: "It is not what it was when it was read.",
    413: "The body is too large.",
    422: "A field has a wrong value.",
    429: "The client is over its limit.",
    502: "Somebody else whom this call asks is out of reach.",
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
    """A body that was read: its document, how many events it holds, and what is wrong with it, if anything."""

    @property
    def document(self) -> dict[str, Any]: ...

    @property
    def events(self) -> int: ...

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
        return await sender(access_of(request), request, read)

    return caller


async def sender(access: Access, request: Request, read: Callable[[Request], Awaitable[Body]]) -> tuple[Principal, Body]:
    """Return who sends events, and what `read` finds in the body; raises as the dependency of `require_sender` does."""
    key = request.query_params.get("key") if request.scope["query_string"] else None
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
    await access.limiter.guard(request, principal, Budget.EVENTS)
    body = await read(request) if body is None else body
    if principal.public and body.events > 1:
        await _pay(access, request, principal, body.events)
    body.document.pop("writeKey", None)
    return principal, body


async def _pay(access: Access, request: Request, principal: Principal, events: int) -> None:
    """Count what a call of a public key holds beside its first event: anybody has the key, so the limit is one of events."""
    most = access.limiter.most(principal)
    if events > most:
        raise BadRequest(f"This key's limit allows {most} events at once; send smaller batches.", code="too_large")
    await access.limiter.guard(request, principal, Budget.EVENTS, events - 1)


def require(*scopes: Scope, limited: bool = True, readers: bool = True) -> Callable[..., Awaitable[Principal]]:
    """Return a dependency that gives the caller, who must hold at least one of the scopes.

    Use: `caller: Annotated[Principal, Depends(require(Scope.CATALOG))]`. GET and HEAD count as reading, for which
    `admin:read` is enough unless `readers` is false. Raises Unauthorized, Forbidden, RateLimitExceeded unless `limited` is false, and
    BadRequest for a parameter in the address that an administrator's route does not know.
    """
    if not scopes:
        raise ValueError("a protected route names at least one scope")
    budget = Budget.ANSWERS if Scope.RECOMMEND in scopes else Budget.EVENTS if Scope.EVENTS in scopes else Budget.ADMIN

    async def caller(
        request: Request,
        _oauth: None = Security(_OAUTH),
        _bearer: None = Security(_BEARER),
        _basic: None = Security(_BASIC),
        _header: None = Security(_HEADER),
    ) -> Principal:
        access = access_of(request)
        principal = await _who(request, access, people=budget is Budget.ADMIN)
        reading = readers and request.method in _READING
        if not any(principal.may(scope, reading=reading) for scope in scopes):
            raise Forbidden(f"This call needs the scope {' or '.join(scopes)}.")
        if limited:
            await access.limiter.guard(request, principal, budget)
        if budget is Budget.ADMIN and request.scope["query_string"]:
            _without_strangers(request)
        return principal

    return caller


async def _who(request: Request, access: Access, *, people: bool) -> Principal:
    known = await _known(request, access) if people else None
    if known is None:
        return access.authenticator.authenticate(request.scope["headers"], request.query_params.get("key"))
    request.state.known = known
    return known.principal


async def _known(request: Request, access: Access) -> Known | None:
    authorization = request.headers.get("authorization", "").encode("latin-1")
    if not signing_in.is_session(authorization):
        return None
    async with reachable(access.db) as db:
        return await signing_in.known(db, access.settings, authorization)


async def signed_in(request: Request, _bearer: None = Security(_BEARER)) -> Known:
    """Return who is signed in; raises Unauthorized for programs too: they have no account of their own."""
    access = access_of(request)
    known = await _known(request, access)
    if known is None:
        raise Unauthorized("This call belongs to somebody who signed in.")
    await access.limiter.guard(request, known.principal, Budget.ADMIN)
    return known


def _parameters(dependant: Dependant) -> Iterator[str]:
    yield from (one.alias for one in dependant.query_params)
    for below in dependant.dependencies:
        yield from _parameters(below)


def _without_strangers(request: Request) -> None:
    """Refuse a parameter that the route does not know: what it was to narrow would be answered, or changed, in full."""
    known = {"key", *_parameters(request.scope["route"].dependant)}
    for name in request.query_params:
        if name not in known:
            close = difflib.get_close_matches(name[:64], known, 1, 0.6)
            raise BadRequest(f"{name[:64]}: is no parameter of this call{f'; is {close[0]} meant?' if close else ''}")
