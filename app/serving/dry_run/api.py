"""The route of dry runs, for kinds of documents that change what is shown."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Path, Query, Request
from pydantic import AwareDatetime, ValidationError
from starlette.responses import JSONResponse, Response

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.errors import BadRequest
from app.core.outage import or_unavailable
from app.core.resources import Db, resource
from app.core.texts import STORABLE, Texts
from app.documents.kinds import Kind
from app.serving.dry_run.asking import DEFAULT_PEOPLE, DEFAULT_REQUESTS, MOST_PEOPLE, MOST_REQUESTS, Ask, drafted
from app.serving.dry_run.blocks import Blocks
from app.serving.dry_run.report import Report
from app.serving.dry_run.runs import service
from app.serving.dry_run.runs.schemas import RunOut
from app.serving.dry_run.trying import DryRuns

Trying = Annotated[DryRuns, Depends(resource("dry_runs", DryRuns))]
Editor = Annotated[Principal, Depends(require(Scope.CONTENT))]
NAMES = ("channel", "country", "locale", "category")
"""What calls are made with beside `ctx.<name>`."""
_REPORTS: dict[int | str, dict[str, Any]] = {
    200: {"description": "What would change."},
    202: {"model": RunOut, "description": "With `in=worker`: the worker tries it, and `Location` says where to look how far it is."},
}


def said_of(said: Sequence[str]) -> dict[str, str]:
    """Return the parameters that calls are made with, each written NAME=VALUE; raises BadRequest for others."""
    given = {}
    for one in said:
        name, equals, value = one.partition("=")
        if not equals or (name not in NAMES and not name.startswith("ctx.")):
            raise BadRequest(f"{one[:40]}: write NAME=VALUE; calls of a dry run take {', '.join(NAMES)} and ctx.<name>.")
        given[name] = value
    return given


def ask_of(*, replay: bool, **asked: Any) -> Ask:
    """Return on whom a draft is tried; raises BadRequest."""
    try:
        return Ask(on="requests" if replay else "people", **asked)
    except ValidationError as error:
        raise BadRequest("; ".join(one["msg"].removeprefix("Value error, ") for one in error.errors()) + ".") from None


def _asked(
    people: Annotated[int, Query(ge=1, le=MOST_PEOPLE, description="How many people, beside a stranger.")] = DEFAULT_PEOPLE,
    said: Annotated[
        list[str] | None, Query(alias="with", max_length=20, description="What calls say, as `ctx.weather=hot`; may come again.")
    ] = None,
    replay: Annotated[bool, Query(description="Ask recorded requests again instead.")] = False,
    begins: Annotated[AwareDatetime | None, Query(alias="from", description="Requests from then on; default: yesterday, UTC.")] = None,
    ends: Annotated[AwareDatetime | None, Query(alias="to", description="Requests until then; default: a day later.")] = None,
    most: Annotated[int, Query(ge=1, le=MOST_REQUESTS, description="How many requests, evenly from all.")] = DEFAULT_REQUESTS,
) -> Ask:
    return ask_of(replay=replay, people=people, said=said_of(said or ()), begins=begins, ends=ends, most=most)


def router(kind: Kind[Any]) -> APIRouter:
    """Return the dry-run route of a kind of document."""
    made = APIRouter(prefix=f"/v1/admin/{kind.plural}", tags=[kind.plural], responses={**PROTECTED, **problems(400, 404, 409, 422, 503)})
    told = Blocks if kind.table == "template" else Report

    @made.post(
        "/{name}/dry-run",
        response_model=told,
        responses=_REPORTS,
        description=f"Try a {kind.table} on real people, or on requests that were recorded: what would change, counted and in words.",
    )
    async def dry_run(
        request: Request,
        db: Db,
        trying: Trying,
        caller: Editor,
        name: Annotated[str, Path(max_length=200, pattern=STORABLE)],
        written: Annotated[Texts, Body(description="The document; `{}` for the newest version, a draft too.")],
        ask: Annotated[Ask, Depends(_asked)],
        where: Annotated[Literal["server", "worker"], Query(alias="in", description="Who tries it; the worker takes its time.")] = "server",
    ) -> Any:
        with or_unavailable("Nothing can be tried now; try again."):
            draft = await drafted(db, kind, caller.tenant, name, written, await request.app.state.facts(caller.tenant, written))
            if where == "server":
                return await trying.run(db, caller, draft, ask)
            return _accepted(await service.begin(db, caller.tenant, draft, ask, caller.who))

    return made


def _accepted(run: RunOut) -> Response:
    return JSONResponse(run.model_dump(mode="json"), 202, {"Location": f"/v1/admin/dry-runs/{run.run_no}"})
