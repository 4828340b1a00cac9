"""`morsel rules dry-run` and `morsel placements dry-run`: what a draft would change for real people."""

from pathlib import Path
from typing import Annotated, Any

import typer

from app.access.domain import EVERYTHING, ClientKind, Principal
from app.commands.context import DEFAULT, Context, Tenant, fail, show, with_database
from app.core.errors import Problem
from app.documents.kinds import Kind, named, read


def dry_run(kind: Kind[Any]) -> Any:
    """Return the command of a kind of document."""

    def command(
        name: Annotated[str, typer.Argument(help="Its name.")],
        file: Annotated[Path | None, typer.Argument(exists=True, dir_okay=False, help="A draft; default: the newest version.")] = None,
        people: Annotated[int, typer.Option(min=1, max=1_000, help="How many people, beside a stranger.")] = 200,
        given: Annotated[list[str] | None, typer.Option("--with", help="What calls say, as ctx.weather=hot or channel=email.")] = None,
        sentence: Annotated[bool, typer.Option("--sentence", help="Say it in one sentence instead of JSON.")] = False,
        tenant: Tenant = DEFAULT,
    ) -> None:
        from app.commands.documents import WHO, content, facts, tell
        from app.serving.dry_run.api import asked
        from app.wiring import trying  # heavy, and needed by this command alone

        written = content(file) if file is not None else {}
        try:
            named(kind, name)
            parameters = asked(given or ())
            if file is not None:
                read(kind, written, name)  # a mistake in the file is told before the catalogue is loaded
        except Problem as error:
            fail(error)

        async def work(context: Context) -> Any:
            servers = {"database_url": context.urls.database_url, "redis_url": context.urls.redis_url}
            caller = Principal(context.tenant, 0, WHO, ClientKind.SERVICE, EVERYTHING, "", "popular")
            known = await facts(context.db, context.tenant, written)
            async with trying(context.settings.model_copy(update=servers), context.db) as tries:
                return await tries.run(context.db, caller, kind, name, written, known, people, parameters)

        found = with_database(work, tenant)
        tell([one for one in found.findings if one.level != "info"])
        if sentence:
            typer.echo(found.sentence)
        else:
            show(found.model_dump(mode="json"))

    return command
