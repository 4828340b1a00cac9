"""`morsel rules dry-run` and its like for placements and templates: what a draft would change for real people or requests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.access.domain import EVERYTHING, ClientKind, Principal
from app.commands.context import DEFAULT, Context, Tenant, fail, show, with_database
from app.core.errors import Problem
from app.data.imports.report import Progress
from app.documents.kinds import Kind, named, read

if TYPE_CHECKING:
    from app.serving.dry_run.asking import Going

_LONGEST_S = 3_600.0
_TELL_S = 0.2


# long: a parameter for each of the call
def dry_run(kind: Kind[Any]) -> Any:
    """Return the command of a kind of document."""

    # long: a parameter for each of the call
    def command(
        name: Annotated[str, typer.Argument(help="Its name.")],
        file: Annotated[Path | None, typer.Argument(exists=True, dir_okay=False, help="A draft; default: the newest version.")] = None,
        people: Annotated[int, typer.Option(min=1, max=1_000, help="How many people, beside a stranger.")] = 200,
        replay: Annotated[bool, typer.Option("--replay", help="Ask recorded requests again instead.")] = False,
        begins: Annotated[datetime | None, typer.Option("--from", help="Requests from then on (UTC); default: yesterday.")] = None,
        ends: Annotated[datetime | None, typer.Option("--to", help="Requests until then (UTC); default: a day later.")] = None,
        most: Annotated[int, typer.Option(min=1, max=20_000, help="How many requests, evenly from all.")] = 1_000,
        given: Annotated[list[str] | None, typer.Option("--with", help="What calls say, as ctx.weather=hot or channel=email.")] = None,
        sentence: Annotated[bool, typer.Option("--sentence", help="Say it in one sentence instead of JSON.")] = False,
        tenant: Tenant = DEFAULT,
    ) -> None:
        from app.commands.documents import WHO, content, facts, tell
        from app.serving.dry_run.api import ask_of, said_of
        from app.serving.dry_run.asking import Going, drafted
        from app.wiring import trying  # heavy, and needed by this command alone

        written = content(file) if file is not None else {}
        try:
            named(kind, name)
            span = {"begins": _utc(begins), "ends": _utc(ends)}
            ask = ask_of(replay=replay, people=people, most=most, said=said_of(given or ()), **span)
            if file is not None:
                read(kind, written, name)  # a mistake in the file is told before the catalogue is loaded
        except Problem as error:
            fail(error)

        async def work(context: Context) -> Any:
            servers = {"database_url": context.urls.database_url, "redis_url": context.urls.redis_url}
            caller = Principal(context.tenant, 0, WHO, ClientKind.SERVICE, EVERYTHING, "", "popular")
            draft = await drafted(context.db, kind, context.tenant, name, written, await facts(context.db, context.tenant, written))
            going = Going(seconds=_LONGEST_S)
            async with trying(context.settings.model_copy(update=servers), context.db) as tries, _told(ask.on, going):
                return await tries.run(context.db, caller, draft, ask, going)

        found = with_database(work, tenant)
        tell([one for one in found.findings if one.level != "info"])
        if sentence:
            typer.echo(found.sentence)
        else:
            show(found.model_dump(mode="json"))

    return command


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None else None


@asynccontextmanager
async def _told(what: str, going: "Going") -> AsyncIterator[None]:
    """Show on a terminal how far it is."""
    from app.commands.data import bar

    with bar(what) as move:
        telling = asyncio.create_task(_moving(going, move))
        try:
            yield
        finally:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling


async def _moving(going: "Going", move: Callable[[Progress], None]) -> None:
    while True:
        await asyncio.sleep(_TELL_S)
        move(Progress(going.done, going.done, going.all))
