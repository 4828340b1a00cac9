"""The documented face of serving; `Door` answers the two hot routes before the framework sees them."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Query, Request
from starlette.responses import Response

from app.access.deps import problems, require
from app.access.domain import Principal, Scope
from app.core.errors import Unavailable
from app.serving.door import respond
from app.serving.rank import Ranker
from app.serving.schemas import Asked, Ranked, RankRequest, Recommendations

router = APIRouter(tags=["serving"])
Caller = Annotated[Principal, Depends(require(Scope.RECOMMEND, limited=False))]
LimitedCaller = Annotated[Principal, Depends(require(Scope.RECOMMEND))]
_ERRORS = problems(400, 401, 403, 404, 413, 429, 503)
_TEXTS: dict[str, Any] = {"text/html": {"schema": {"type": "string"}}, "text/plain": {"schema": {"type": "string"}}}
_OK: dict[int | str, dict[str, Any]] = {200: {"model": Recommendations, "description": "Content that is ready to show.", "content": _TEXTS}}
_DOCUMENTED = {**_OK, **_ERRORS}
_AS_FORM = {"application/x-www-form-urlencoded": {"schema": {"$ref": "#/components/schemas/Asked"}}}


def asked(
    user_id: Annotated[str, Query(description="The shop's own id of the person.")] = "",
    anonymous_id: Annotated[str, Query(description="The id of a browser or device.")] = "",
    email_sha256: Annotated[str, Query(description="SHA-256 of the trimmed, lower-case address, in hexadecimal.")] = "",
    limit: Annotated[str, Query(description="How many items, 1 to 50; default: the placement's count.")] = "",
    item_id: Annotated[str, Query(description="The item on the page, or the items in the cart, comma-separated.")] = "",
    exclude: Annotated[str, Query(description="Items that must not come back, comma-separated.")] = "",
    category: Annotated[str, Query(description="Only items of this category.")] = "",
    locale: Annotated[str, Query(description="Locale of texts and prices, such as de or en-GB.")] = "",
    campaign: Annotated[str, Query(description="Pins the answer for some minutes, as send_id does.")] = "",
    send_id: Annotated[str, Query(description="Pins the answer, so that all parts of an e-mail agree.")] = "",
    format: Annotated[str, Query(description="json, html or text.")] = "",
    escape: Annotated[str, Query(description="html: texts in JSON are escaped for HTML.")] = "",
    empty: Annotated[str, Query(description="blank: nothing at all when there are no items.")] = "",
    strict: Annotated[str, Query(description="1: wrong parameters are errors instead of warnings.")] = "",
    explain: Annotated[str, Query(description="1: adds why (scope admin:read).")] = "",
    open_pixel: Annotated[str, Query(description="1: adds the open pixel, 0: leaves it out; default: what the placement says.")] = "",
    key: Annotated[str, Query(description="A URL key or website key, where no header can be sent.")] = "",
) -> None:
    """Describe the parameters; the door reads them from the URL itself."""


@router.get("/v1/recommendations", responses=_DOCUMENTED, dependencies=[Depends(asked)])
async def recommendations(
    request: Request, caller: Caller, placement: Annotated[str, Query(description="Where the content is shown.")] = ""
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
    """Order the caller's own items for a person."""
    snapshot = request.app.state.server.holder.current.get(caller.tenant)
    if snapshot is None:
        raise Unavailable("Nothing has been loaded for this tenant yet; try again in a second.", headers={"Retry-After": "1"})
    ranker: Ranker = request.app.state.ranker
    return await ranker.rank(caller, wanted, snapshot)
