"""`morsel import`, `morsel worker`, `morsel rebuild` and `morsel consent`."""

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from app import worker as background
from app.commands.running import DEFAULT, Context, Tenant, fail, settings, show, with_database
from app.core import redis
from app.core.embedded import services
from app.data.catalog.importing import import_items
from app.data.events import mapping as mappings
from app.data.events.importing import Window, import_events
from app.data.files import FileFault
from app.data.people import jobs, publish, service
from app.data.reports import Progress as Step
from app.data.reports import Report
from app.ml.popularity.service import refresh_popular

imports = typer.Typer(no_args_is_help=True, help="Files in: a catalogue, or events.")
Files = Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Files, .gz too.")]


def worker() -> None:
    """Run the background worker: events into states, consent, popular lists, partitions."""
    found = settings()
    with services(found, must=False) as urls:
        asyncio.run(background.run(found, urls))


@imports.command("items")
def items(
    files: Files,
    format: Annotated[str, typer.Option(help="csv, jsonl, tsv (Google) or xml (Google); default: by the file's name.")] = "",
    encoding: Annotated[str, typer.Option(help="Encoding of text files.")] = "utf-8",
    column: Annotated[list[str] | None, typer.Option(help="THEIRS=OURS, renames a column; may be repeated.")] = None,
    strict: Annotated[bool, typer.Option(help="Land nothing when one row is refused.")] = False,
    full: Annotated[bool, typer.Option(help="The file is the whole catalogue: items not in it become unavailable.")] = False,
    force: Annotated[bool, typer.Option(help="Allow --full to take away more than 20 %.")] = False,
    tenant: Tenant = DEFAULT,
) -> None:
    """Import a catalogue and tell which rows were refused, and why."""
    renamed = dict(part.partition("=")[::2] for part in column or [])

    async def work(context: Context) -> Report:
        with bar("items") as progress:
            return await import_items(
                context.db, context.settings, context.tenant, files, format=format or None, encoding=encoding, columns=renamed,
                strict=strict, full=full, force=force, progress=progress,
            )  # fmt: skip

    _told(work, tenant)


@imports.command("events")
def events(
    files: Files,
    mapping: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="TOML file that maps columns.")],
    source: Annotated[str, typer.Option(help="Name of the source; a row lands once a source.")],
    format: Annotated[str, typer.Option(help="csv, parquet or jsonl; default: by the file's name.")] = "",
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

    _told(work, tenant)


def _told(work: Callable[[Context], Any], tenant: str) -> None:
    try:
        report: Report = with_database(work, tenant)
    except (FileFault, mappings.BadMapping) as fault:
        fail(str(fault))
    show(report.document())
    if report.fault:
        raise typer.Exit(1)


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
            return await jobs.rebuild(context.db, context.settings, publisher, context.tenant)
        finally:
            await nodes.aclose()

    try:
        people = with_database(work, tenant)
    except jobs.NotPublished as error:
        fail(error)
    typer.echo(f"{people} people")


def consent(
    user_id: str,
    personalisation: Annotated[bool, typer.Option("--yes/--no", help="Whether this user wants personal answers.")],
    tenant: Tenant = DEFAULT,
) -> None:
    """Store whether a user wants personal answers; a withdrawal reaches Redis at once, or as soon as it is back."""

    async def work(context: Context) -> bool:
        number = await service.set_consent(context.db, context.settings, context.tenant, user_id, personalisation)
        return await service.wait_applied(context.db, context.tenant, number)

    try:
        applied = with_database(work, tenant)
    except service.BadId as error:
        fail(str(error))
    typer.echo("applied" if applied else "stored; it takes effect as soon as a worker runs")
