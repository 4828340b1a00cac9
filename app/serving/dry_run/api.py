"""The route of dry runs, for kinds of documents that change which items are shown."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Query, Request

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.errors import BadRequest
from app.core.outage import or_unavailable
from app.core.resources import Db, resource
from app.core.texts import STORABLE, Texts
from app.documents.kinds import Kind
from app.serving.dry_run.report import Report
from app.serving.dry_run.trying import DryRuns

Trying = Annotated[DryRuns, Depends(resource("dry_runs", DryRuns))]
Editor = Annotated[Principal, Depends(require(Scope.CONTENT))]
DEFAULT_PEOPLE, MOST_PEOPLE = 200, 1_000
NAMES = ("channel", "country", "locale", "category")
"""What calls are made with beside `ctx.<name>`."""


def asked(said: Sequence[str]) -> dict[str, str]:
    """Return the parameters that calls are made with, each written NAME=VALUE; raises BadRequest for others."""
    given = {}
    for one in said:
        name, equals, value = one.partition("=")
        if not equals or (name not in NAMES and not name.startswith("ctx.")):
            raise BadRequest(f"{one[:40]}: write NAME=VALUE; calls of a dry run take {', '.join(NAMES)} and ctx.<name>.")
        given[name] = value
    return given


def router(kind: Kind[Any]) -> APIRouter:
    """Return the dry-run route of a kind of document."""
    made = APIRouter(prefix=f"/v1/admin/{kind.plural}", tags=[kind.plural], responses={**PROTECTED, **problems(400, 404, 422, 503)})

    @made.post("/{name}/dry-run", description=f"Try a {kind.table} on real people: what would change, counted and in words.")
    async def dry_run(
        request: Request,
        db: Db,
        trying: Trying,
        caller: Editor,
        name: Annotated[str, Path(max_length=200, pattern=STORABLE)],
        written: Annotated[Texts, Body(description="The document; `{}` for the newest version, a draft too.")],
        people: Annotated[int, Query(ge=1, le=MOST_PEOPLE, description="How many people, beside a stranger.")] = DEFAULT_PEOPLE,
        said: Annotated[
            list[str] | None, Query(alias="with", max_length=20, description="What calls say, as `ctx.weather=hot`; may come again.")
        ] = None,
    ) -> Report:
        with or_unavailable("Nothing can be tried now; try again."):
            given = asked(said or ())
            facts = await request.app.state.facts(caller.tenant, written)
            return await trying.run(db, caller, kind, name, written, facts, people, given)

    return made
