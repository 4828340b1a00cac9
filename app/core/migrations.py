"""Brings a database to the newest schema. Alembic, which takes a while to load, is only loaded when there is something to do."""

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import ProgrammingError

from app.core.db import Database

if TYPE_CHECKING:
    from alembic.config import Config

_ROOT = Path(__file__).resolve().parents[2]
_REVISION = re.compile(r'^(revision|down_revision) = "(\w+)"', re.MULTILINE)


def _config(url: str) -> "Config":
    from alembic.config import Config

    config = Config(str(_ROOT / "alembic.ini"))
    config.set_main_option("script_location", str(_ROOT / "migrations"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def upgrade(url: str) -> None:
    """Run all pending migrations; must be called outside an event loop."""
    if asyncio.run(_current(url)) == newest():
        return
    from alembic import command

    command.upgrade(_config(url), "head")


def downgrade(url: str, revision: str) -> None:
    """Undo migrations down to a revision; must be called outside an event loop."""
    from alembic import command

    command.downgrade(_config(url), revision)


def newest() -> str:
    """Return the newest revision that this release knows: the one that no other builds on."""
    found = [_REVISION.findall(path.read_text()) for path in (_ROOT / "migrations" / "versions").glob("*.py")]
    pairs = [pair for one in found for pair in one]
    below = {name for what, name in pairs if what == "down_revision"}
    (head,) = {name for what, name in pairs if what == "revision"} - below
    return str(head)


async def _current(url: str) -> str:
    """Return the revision of a database; empty for one without a schema."""
    database = Database(url, 1)
    try:
        return str((await database.rows("select version_num from alembic_version"))[0][0])
    except (ProgrammingError, IndexError):
        return ""
    finally:
        await database.close()
