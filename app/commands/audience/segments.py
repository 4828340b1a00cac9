"""`morsel segments`: the commands of a kind of document, and who is in a segment."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from app.access.domain import EVERYTHING, ClientKind, Principal
from app.commands.context import DEFAULT, Context, Tenant, fail, show, with_database
from app.commands.documents import WHO, content, group
from app.core.errors import NotFound
from app.data.conditions.syntax import Wrong
from app.data.segments import estimating, members
from app.decisions.segments.api import lines, read_ids, upload
from app.decisions.segments.dry_run import tried
from app.decisions.segments.kind import KIND
from app.documents.service import history

app = group(KIND, "Segments of people: by a condition, or a list.")
Name = Annotated[str, typer.Argument(help="Its name.")]


@app.command("estimate")
def estimate(
    when: Annotated[str, typer.Argument(help="A condition, such as 'orders.30d >= 3', or a JSON file that holds one.")],
    tenant: Tenant = DEFAULT,
) -> None:
    """Tell how many people meet a condition now, and what it says in words."""
    written: Any = content(Path(when)) if when.endswith(".json") else when

    async def work(context: Context) -> dict[str, Any]:
        try:
            wanted, _ = await estimating.read(context.db, context.tenant, written)
        except Wrong as error:
            fail(str(error))
        found = await estimating.estimate(context.db, context.tenant, wanted)
        return {**found._asdict(), "sentence": wanted.sentence, "when": wanted.text, "document": wanted.document}

    show(with_database(work, tenant))


@app.command("dry-run")
def dry_run(
    name: Name,
    when: Annotated[
        str | None, typer.Option(help="The draft: a condition, or a JSON file that holds one; default: the newest version.")
    ] = None,
    tenant: Tenant = DEFAULT,
) -> None:
    """Tell of people of the last hour whom a draft lets in, who would enter and leave."""
    written: Any = content(Path(when)) if when is not None and when.endswith(".json") else when

    async def work(context: Context) -> dict[str, Any]:
        draft = written
        if draft is None:
            draft = (await history(context.db, KIND, context.tenant, name))[0].body.get("when")
        if draft is None:
            fail(f"the segment {name} is a list: name a condition with --when")
        caller = Principal(context.tenant, 0, WHO, ClientKind.SERVICE, EVERYTHING, "", "popular")
        return (await tried(context.db, caller, name, draft)).model_dump(mode="json")

    show(with_database(work, tenant))


@app.command("members")
def listed(name: Name, tenant: Tenant = DEFAULT) -> None:
    """Write the people of a segment to standard output as CSV."""

    async def work(context: Context) -> None:
        number = await members.number(context.db, context.tenant, name)
        if not number:
            raise NotFound(f"There is no segment named {name!r}.")
        async for page in lines(context.db, context.tenant, number):
            sys.stdout.write(page.replace("\r\n", "\n"))

    with_database(work, tenant)


@app.command("upload")
def uploaded(
    name: Name,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A text with an id a line, or a CSV whose first column is one.")
    ],
    kind: Annotated[str, typer.Option(help="user_id, anonymous_id or email_sha256.")] = "user_id",
    tenant: Tenant = DEFAULT,
) -> None:
    """Make people the list of a segment that has no condition."""
    if kind not in ("user_id", "anonymous_id", "email_sha256"):
        fail("--kind is user_id, anonymous_id or email_sha256")

    async def work(context: Context) -> members.Listed:
        return await upload(context.db, context.tenant, name, kind, read_ids(file.read_bytes()), WHO)

    found = with_database(work, tenant)
    typer.echo(
        f"{found.people} people; {found.unknown} ids that nobody has" + (f", as {', '.join(found.examples)}" if found.examples else "")
    )
    if not found.people:
        raise typer.Exit(1)
