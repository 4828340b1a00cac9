"""What every command needs: settings, servers that run, a migrated database, a tenant, and clear errors."""

import asyncio
import os
import socket
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, NoReturn, TypeVar

import orjson
import typer
from pydantic import ValidationError

from app.access import service as access
from app.core import logging, migrations, outage
from app.core import settings as core_settings
from app.core.db import Database
from app.core.embedded import Urls, services
from app.core.embedded.process import CannotStart
from app.core.errors import Problem
from app.core.ids import DEFAULT_TENANT_NAME
from app.core.secret import WeakSecret
from app.core.settings import Settings

Result = TypeVar("Result")
Tenant = Annotated[str, typer.Option(help="Name of the tenant.")]
DEFAULT = DEFAULT_TENANT_NAME


def settings() -> Settings:
    """Read the settings, or end with what is wrong with them."""
    try:
        found = core_settings.load()
    except ValidationError as error:
        for one in error.errors():
            name = f"MORSEL_{'_'.join(str(p) for p in one['loc']).upper()}"
            typer.echo(f"{name}: {one['msg'].removeprefix('Value error, ')} (see docs/settings.md)", err=True)
        raise typer.Exit(2) from None
    if told := core_settings.unknown():
        typer.echo("\n".join(told), err=True)
        raise typer.Exit(2)
    logging.configure(found.log_level, "console" if sys.stderr.isatty() else found.log_format)
    return found


@dataclass(frozen=True)
class Context:
    """What a piece of work gets: database, settings, the tenant's number, and where the servers are."""

    db: Database
    settings: Settings
    tenant: int
    urls: Urls


Work = Callable[[Context], Awaitable[Result]]


def with_database(work: Work[Result], tenant: str = DEFAULT) -> Result:
    """Run a piece of work on the migrated database of the settings, starting the embedded one when nobody has."""
    found = settings()
    try:
        with services(found) as urls:
            migrations.upgrade(urls.database_url)
            return asyncio.run(_work(work, found, tenant, urls))
    except (Problem, CannotStart, WeakSecret, access.Exposed) as error:
        fail(error)


async def _work(work: Work[Result], found: Settings, tenant: str, urls: Urls) -> Result:
    database = Database(urls.database_url, found.database_pool)
    try:
        return await work(Context(database, found, await access.tenant_number(database, tenant), urls))
    finally:
        await database.close()


def fail(error: Exception | str) -> NoReturn:
    """End the command with a message and exit status 1."""
    text = error.detail if isinstance(error, Problem) else str(error)
    typer.echo(f"error: {text}", err=True)
    if isinstance(error, Problem):
        for one in error.extra.get("errors", []):
            typer.echo(f"  {one.get('field', '')}: {one.get('message', one)}", err=True)
    raise typer.Exit(1)


@contextmanager
def given() -> Iterator[None]:
    """End the command with what is wrong about the values that it was given, where they do not make what they shall."""
    try:
        yield
    except ValidationError as error:
        fail("; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg'].removeprefix('Value error, ')}" for one in error.errors()))


def explain(error: Exception) -> int:
    """Print what ended a command in one line, and return its exit status; `MORSEL_LOG_LEVEL=debug` shows where it happened."""
    if os.environ.get("MORSEL_LOG_LEVEL", "").lower() == "debug":
        traceback.print_exception(error)
    if isinstance(error, OSError) and error.filename:
        typer.echo(f"error: {error.filename}: {error.strerror}", err=True)
    elif outage.is_away(error):
        typer.echo(f"error: the database cannot be used ({outage.cause(error)}); is MORSEL_DATABASE_URL right?", err=True)
    else:
        typer.echo(
            f"error: something went wrong on our side ({outage.cause(error)}); MORSEL_LOG_LEVEL=debug shows where, please report it",
            err=True,
        )
    return 1


def show(value: object) -> None:
    """Print a result as JSON, for people and for scripts."""
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode())


def free_port() -> int:
    """Return a port of this machine that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
