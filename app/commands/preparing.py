"""What must be there before a server may answer: secrets, the newest schema, and a fresh shop's defaults."""

import asyncio

import typer

from app.access import service as access
from app.commands.running import Context, with_database
from app.content.templates import service as templates
from app.core import ids, migrations, secret
from app.core.db import Database
from app.core.embedded import Urls
from app.core.logging import log
from app.core.settings import Settings
from app.decisions.placements import service as placements

REFUSALS = (access.Exposed, secret.WeakSecret)
"""Why a server may not start, with a text for the operator."""


def check(found: Settings) -> None:
    """Raise one of REFUSALS when the server must not listen with these settings; make a secret where none is given."""
    access.check_exposure(found)
    secret.master(found)


def prepare(urls: Urls) -> None:
    """Migrate, and give a fresh shop its defaults; without a database the servers answer from the last snapshot."""
    if not asyncio.run(reachable(urls.database_url)):
        log.warning("serve.database_down", then="answering from the last snapshot")
        return
    migrations.upgrade(urls.database_url)
    asyncio.run(defaults(urls))


async def reachable(url: str) -> bool:
    """Tell whether the database answers within two seconds."""
    database = Database(url, 1, connect_timeout=2.0)
    try:
        async with asyncio.timeout(3):
            await database.rows("select 1")
    except Exception as error:
        # whatever is wrong with the database, the snapshot can still answer
        log.warning("serve.database_error", error=type(error).__name__)
        return False
    finally:
        await database.close()
    return True


async def defaults(urls: Urls) -> None:
    """Give a fresh shop its templates and placements."""
    database = Database(urls.database_url, 1)
    try:
        await templates.add_defaults(database, ids.DEFAULT_TENANT)
        await placements.add_defaults(database, ids.DEFAULT_TENANT)
    finally:
        await database.close()


def migrate() -> None:
    """Bring the database to the newest schema."""

    async def done(context: Context) -> None:
        await templates.add_defaults(context.db, context.tenant)
        await placements.add_defaults(context.db, context.tenant)

    with_database(done)
    typer.echo(f"schema {migrations.newest()}")
