"""`morsel sends`: announce a send to a file of people, look at it, call it off."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from app.access.service import COMMAND
from app.commands.context import DEFAULT, Context, Tenant, fail, given, show, with_database
from app.data.identity.domain import LONGEST_ID, id_fault
from app.data.imports.files import FileFault, binary
from app.sends import service
from app.sends.schemas import NewSend
from app.sends.service import Given

app = typer.Typer(no_args_is_help=True, help="Sends: prewarmed, forecast, checked before they start.")
_LARGEST_LINE = 4 * LONGEST_ID + 2


def ids_in(file: Path) -> Iterator[Given]:
    """Read a file with one user id a line, .gz too; empty lines are passed over. Raises FileFault."""
    with binary(file) as (stream, _):
        line = 0
        while raw := stream.readline(_LARGEST_LINE):
            line += 1
            if len(raw) >= _LARGEST_LINE and not raw.endswith(b"\n"):
                while (rest := stream.readline(_LARGEST_LINE)) and not rest.endswith(b"\n"):
                    continue
                yield Given(line, "", f"is longer than {LONGEST_ID} characters")
                continue
            raw = raw.removeprefix(b"\xef\xbb\xbf") if line == 1 else raw
            try:
                text = raw.decode().strip()
            except UnicodeDecodeError:
                yield Given(line, "", "is not valid UTF-8")
                continue
            if text:
                yield Given(line, text, id_fault(text) or "")


@app.command("create")
def create(
    placement: Annotated[str, typer.Argument(help="Placement that the e-mail shows.")],
    duration: Annotated[int, typer.Option(help="Expected duration, in seconds.")],
    start: Annotated[datetime | None, typer.Option(help="When it starts (UTC); default: now.")] = None,
    audience: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="File with one user id a line, .gz too.")] = None,
    everyone: Annotated[bool, typer.Option("--everyone", help="Everybody who has a user id.")] = False,
    segment: Annotated[str, typer.Option(help="The people of a segment.")] = "",
    when: Annotated[str | None, typer.Option(help="Whoever meets a condition, such as `orders.30d >= 3`.")] = None,
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say the same and keep nothing.")] = False,
    tenant: Tenant = DEFAULT,
) -> None:
    """Announce a send, and say what will not fit and what is too old for it."""
    start = start.replace(tzinfo=UTC) if start is not None and start.tzinfo is None else start
    with given():
        wanted = NewSend(placement=placement, duration_s=duration, start=start, name=name, everyone=everyone, segment=segment, when=when)

    async def work(context: Context) -> dict[str, Any]:
        ids = ids_in(audience) if audience is not None else None
        urls, found = context.urls, context.settings
        made = await service.announce(context.db, found, urls.redis_url, context.tenant, wanted, ids, dry_run=dry_run, who=COMMAND)
        return made.model_dump(mode="json")

    try:
        made = with_database(work, tenant)
    except FileFault as fault:
        fail(str(fault))
    for one in made["refused"]:
        typer.echo(f"line {one['place']}: {one['reason']}", err=True)
    show(made)


@app.command("list")
def list_sends(tenant: Tenant = DEFAULT) -> None:
    """List the newest sends with their progress."""

    async def work(context: Context) -> list[dict[str, Any]]:
        return [one.model_dump(mode="json") for one in (await service.listed(context.db, context.tenant)).sends]

    show(with_database(work, tenant))


@app.command("show")
def show_send(send_id: Annotated[int, typer.Argument(min=1, max=2**31 - 1)], tenant: Tenant = DEFAULT) -> None:
    """Show a send: its progress, its forecast, and what is wrong with it now."""

    async def work(context: Context) -> dict[str, Any]:
        found = await service.shown(context.db, context.settings, context.urls.redis_url, context.tenant, send_id)
        return found.model_dump(mode="json")

    show(with_database(work, tenant))


@app.command("cancel")
def cancel(send_id: Annotated[int, typer.Argument(min=1, max=2**31 - 1)], tenant: Tenant = DEFAULT) -> None:
    """Call a send off; its audience is forgotten."""
    done = with_database(lambda context: service.cancel(context.db, context.tenant, send_id, COMMAND), tenant)
    typer.echo(f"send {done.id} is {done.status}")
