"""`morsel import`, `morsel worker`, `morsel rebuild` and `morsel consent`."""

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from app import worker as background
from app.access.service import COMMAND
from app.commands.context import DEFAULT, Context, Tenant, fail, settings, show, with_database
from app.core import parent, redis
from app.core.embedded import services
from app.data.catalogue.assumed import Assumed
from app.data.catalogue.importing import import_items
from app.data.events.formats import mapping as mappings
from app.data.events.sources.files import Window, import_events
from app.data.imports.files import FileFault
from app.data.imports.report import Progress as Step
from app.data.imports.report import Report
from app.data.online import publisher as publish
from app.data.people import rebuild as rebuilding
from app.data.people import states
from app.data.people.undoing import Undone
from app.data.people.undoing import undo as undo_import
from app.data.privacy import consent as service
from app.ml.popularity.service import refresh_popular

imports = typer.Typer(no_args_is_help=True, help="Files in: a catalogue, or events.")
Files = Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Files, .gz too.")]


def worker() -> None:
    """Run the background worker: events into states, consent, popular lists, partitions."""
    found = settings()
    parent.end_with_parent()
    with services(found, must=False) as urls:
        asyncio.run(background.run(found, urls))


@imports.command("items")
def items(
    files: Files,
    format: Annotated[str, typer.Option(help="auto (by name, shape and columns), csv, tsv, json, jsonl, xml or xlsx.")] = "auto",
    encoding: Annotated[str, typer.Option(help="Encoding of text files.")] = "utf-8",
    delimiter: Annotated[str, typer.Option(help="What separates columns; default: what the header shows.")] = "",
    currency: Annotated[str, typer.Option(help="Currency of prices that name none, such as EUR.")] = "",
    decimal: Annotated[str, typer.Option(help="The mark before cents, . or , where prices can be read in two ways.")] = "",
    timezone: Annotated[str, typer.Option(help="Zone of dates without an offset, such as Europe/Berlin; default: UTC.")] = "",
    base_url: Annotated[str, typer.Option(help="Address of the shop, which completes links that are none.")] = "",
    column: Annotated[list[str] | None, typer.Option(help="THEIRS=OURS, renames a column; may be repeated.")] = None,
    strict: Annotated[bool, typer.Option(help="Land nothing when one row is refused.")] = False,
    full: Annotated[bool, typer.Option(help="The file is the whole catalogue: items not in it become unavailable.")] = False,
    force: Annotated[bool, typer.Option(help="Allow --full to take away more than 20 %.")] = False,
    tenant: Tenant = DEFAULT,
) -> None:
    """Import a catalogue and tell which rows were refused, and why."""
    renamed = dict(part.rpartition("=")[::2] for part in column or [])
    try:
        assumed = Assumed.told(currency, decimal, timezone, base_url)
    except ValueError as error:
        fail(str(error))

    async def work(context: Context) -> Report:
        with bar("items") as progress:
            return await import_items(
                context.db, context.settings, context.tenant, files, format=format or None, encoding=encoding, columns=renamed,
                delimiter=delimiter.replace("\\t", "\t") or None, assumed=assumed,
                strict=strict, full=full, force=force, progress=progress,
            )  # fmt: skip

    told(work, tenant)


@imports.command("events")
def events(
    files: Files,
    mapping: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="TOML file that maps columns.")],
    source: Annotated[str, typer.Option(help="Name of the source; a row lands once a source.")],
    format: Annotated[str, typer.Option(help="csv, xlsx, parquet or jsonl; default: by the file's name.")] = "",
    not_before: Annotated[datetime | None, typer.Option(help="Refuse rows before this moment (UTC).")] = None,
    before: Annotated[datetime | None, typer.Option(help="Refuse rows from this moment on (UTC).")] = None,
    tenant: Tenant = DEFAULT,
) -> None:
    """Import events and account for every row: landed, duplicate, or refused with the reason."""

    async def work(context: Context) -> Report:
        with bar("events") as progress:
            window = Window(_utc(not_before), _utc(before))
            report = await import_events(
                context.db, context.settings, context.tenant, source, files, mappings.load(mapping), window=window,
                format=format or None, progress=progress,
            )  # fmt: skip
        await refresh_popular(context.db, context.tenant, default_consent=context.settings.default_consent)
        return report

    told(work, tenant)


@imports.command("undo")
def undo(source: Annotated[str, typer.Argument(help="Name of the source, as it was imported.")], tenant: Tenant = DEFAULT) -> None:
    """Take back all events of an imported source, so that it can be imported anew; people and their ids stay."""

    async def work(context: Context) -> Undone:
        done = await undo_import(context.db, context.tenant, source)
        await refresh_popular(context.db, context.tenant, default_consent=context.settings.default_consent)
        return done

    try:
        show(vars(with_database(work, tenant)))
    except FileFault as fault:
        fail(str(fault))


def told(work: Callable[[Context], Any], tenant: str) -> None:
    """Do an import and print its report; the exit status is 1 when nothing landed."""
    try:
        report: Report = with_database(work, tenant)
    except (FileFault, mappings.BadMapping) as fault:
        fail(str(fault))
    show(report.document())
    if report.fault:
        fail(report.fault)
    if not (report.landed or report.duplicate):
        fail("nothing landed: see the reasons above")
    if strangers := report.strangers:
        if report.unknown_items.total() >= report.landed:
            fail(strangers)
        typer.echo(f"warning: {strangers}", err=True)


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


class bar:  # noqa: N801 - used as a context, like the library's own
    """A progress bar on a terminal, silence elsewhere; calling it moves it on."""

    def __init__(self, what: str) -> None:
        self._bar = Progress(
            TextColumn(what), BarColumn(), TaskProgressColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=Console(file=sys.stderr), disable=not sys.stderr.isatty(), transient=True,
        )  # fmt: skip
        self._task = self._bar.add_task(what, total=None)

    def __enter__(self) -> Callable[[Step], None]:
        self._bar.start()
        return self._move

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def _move(self, step: Step) -> None:
        self._bar.update(self._task, completed=step.bytes_done, total=step.bytes_all)


def rebuild(tenant: Tenant = DEFAULT) -> None:
    """Compute every person's state from the events again and publish it."""

    async def work(context: Context) -> int:
        nodes = redis.Nodes(context.urls.redis_url, timeout_ms=5000)
        try:
            publisher = publish.Publisher(nodes, context.settings.state_ttl_days)
            return await rebuilding.rebuild(context.db, context.settings, publisher, context.tenant)
        finally:
            await nodes.aclose()

    try:
        people = with_database(work, tenant)
    except states.NotPublished as error:
        fail(error)
    typer.echo(f"{people} people")


class Purpose(StrEnum):
    """What people may say yes or no to."""

    PERSONALISATION = "personalisation"
    ANALYTICS = "analytics"
    EMAIL = "email"
    TRACKING = "tracking"
    SALE = "sale"


def consent(
    user_id: str,
    granted: Annotated[bool, typer.Option("--yes/--no", help="Whether this user says yes, to personal answers or what --purpose names.")],
    purpose: Annotated[
        list[Purpose] | None, typer.Option(help="What the word is about; may be repeated. Default: personalisation.")
    ] = None,
    tenant: Tenant = DEFAULT,
) -> None:
    """Store whether a user wants personal answers, or what --purpose names; it reaches Redis at once, or as soon as it is back."""

    async def work(context: Context) -> bool:
        said = {one.value: granted for one in purpose or [Purpose.PERSONALISATION]}
        number = await service.set_purposes(context.db, context.settings, context.tenant, user_id, said, who=COMMAND)
        return await service.wait_applied(context.db, context.tenant, number)

    try:
        applied = with_database(work, tenant)
    except service.BadId as error:
        fail(str(error))
    typer.echo("applied" if applied else "stored; it takes effect as soon as a worker runs")
