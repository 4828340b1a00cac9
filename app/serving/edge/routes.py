"""The documented face of serving; `Door` answers the two hot routes before the framework sees them."""

import inspect
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Query, Request
from starlette.responses import Response

from app.access.deps import problems, require
from app.access.domain import Principal, Scope
from app.content.formats import templated
from app.core.errors import Forbidden, Unavailable
from app.serving.edge.asgi import respond
from app.serving.edge.rank import Ranker
from app.serving.edge.schemas import Asked, Ranked, RankRequest, Recommendations
from app.serving.model.parameters import PARAMETERS

router = APIRouter(tags=["serving"])
Caller = Annotated[Principal, Depends(require(Scope.RECOMMEND, limited=False))]
LimitedCaller = Annotated[Principal, Depends(require(Scope.RECOMMEND))]
_ERRORS = problems(400, 401, 403, 404, 413, 429, 503)
_TEXTS: dict[str, Any] = {form.media: {"schema": {"type": "string"}} for form in templated()}
_OK: dict[int | str, dict[str, Any]] = {200: {"model": Recommendations, "description": "Content that is ready to show.", "content": _TEXTS}}
_DOCUMENTED = {**_OK, **_ERRORS}
_AS_FORM = {"application/x-www-form-urlencoded": {"schema": {"$ref": "#/components/schemas/Asked"}}}


def asked(**given: str) -> None:
    """Describe the parameters; the door reads them from the URL itself."""


def _described(name: str) -> inspect.Parameter:
    kind = Annotated[str, Query(description=PARAMETERS[name].told)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default="", annotation=kind)


# the framework reads the signature of what a route depends on
asked.__signature__ = inspect.Signature([_described(name) for name in PARAMETERS if name != "placement"])  # type: ignore[attr-defined]


@router.get("/v1/recommendations", responses=_DOCUMENTED, dependencies=[Depends(asked)])
async def recommendations(
    request: Request, caller: Caller, placement: Annotated[str, Query(description=PARAMETERS["placement"].told)] = ""
) -> Response:
    """Say what this person should see in this placement."""
    return await _through_door(request)


@router.head("/v1/recommendations", responses=_DOCUMENTED, dependencies=[Depends(asked)])
async def recommendations_head(request: Request, caller: Caller, placement: str = "") -> Response:
    """The same without a body; nothing is recorded."""
    return await _through_door(request)


@router.post("/v1/recommendations", responses=_DOCUMENTED, openapi_extra={"requestBody": {"content": _AS_FORM}})
async def recommendations_post(request: Request, caller: Caller, wanted: Annotated[Asked, Body()]) -> Response:
    """The same with the parameters in a JSON object or a form."""
    return await _through_door(request)


@router.get("/v1/snippets/{placement}", responses=_DOCUMENTED, dependencies=[Depends(asked)])
async def snippet(request: Request, caller: Caller, placement: Annotated[str, Path()]) -> Response:
    """The same as HTML unless `format` says otherwise."""
    return await _through_door(request)


@router.head("/v1/snippets/{placement}", responses=_DOCUMENTED, dependencies=[Depends(asked)])
async def snippet_head(request: Request, caller: Caller, placement: Annotated[str, Path()]) -> Response:
    """The same without a body; nothing is recorded."""
    return await _through_door(request)


async def _through_door(request: Request) -> Response:
    status, headers, body = await respond(request.app.state.server, request.scope, request.receive)
    answer = Response(body, status)
    answer.raw_headers = headers
    return answer


@router.post("/v1/rank", responses=problems(400, 401, 403, 413, 422, 429, 503))
async def rank(request: Request, caller: LimitedCaller, wanted: RankRequest) -> Ranked:
    """Order the caller's own items for a person; a credential that is bound to placements may not."""
    if caller.placements is not None:
        raise Forbidden("This credential is bound to placements; ranking needs one that is not.")
    snapshot = request.app.state.server.holder.current.get(caller.tenant)
    if snapshot is None:
        raise Unavailable("Nothing has been loaded for this tenant yet; try again in a second.", headers={"Retry-After": "1"})
    ranker: Ranker = request.app.state.ranker
    return await ranker.rank(caller, wanted, snapshot)
