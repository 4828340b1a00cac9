"""`make bench-rebuild`: people a second and peak memory of `morsel rebuild`, over people and events that are made up in the database.

One line of JSON a figure. A million people with 20 events each need some 6 GB of disk, and most of the time goes into making them up.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.core import logging, migrations
from app.core.db import Database
from app.core.embedded import services
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings
from app.data.profiles import store

GROUPS = 20_000
# Events come in by time, so those of a person lie far apart in the table.
_FILL = (
    "insert into item_group (tenant, group_id) select :tenant, 'g' || n from generate_series(1, :groups) n",
    "create temporary table someone on commit preserve rows as "
    "select n, ('x' || substr(md5(n::text), 1, 16))::bit(64)::bigint & 4611686018427387903 as person_no from generate_series(1, :people) n",
    "insert into person (tenant, person_no, root_no, data_key, country, consent) select :tenant, person_no, person_no, '\\x00', 'GB', "
    "case when n % 50 = 0 then 0 when n % 3 = 0 then 1 end from someone",
    "insert into person_identity (tenant, key, kind, value, person_no, is_primary) "
    "select :tenant, substr(sha256(('u' || n)::bytea), 1, 12), 1, 'u' || n, person_no, true from someone",
    "insert into person_identity (tenant, key, kind, value, person_no, is_primary) "
    "select :tenant, substr(sha256(('e' || n)::bytea), 1, 12), 3, 'e' || n, person_no, false from someone where n % 2 = 0",
    "insert into event (tenant, occurred_at, message_id, person_no, kind, group_no, order_key, quantity) "
    "select :tenant, now() - random() * interval '500 days', substr(sha256((s.n || '-' || e)::bytea), 1, 16), s.person_no, "
    "case when e % 5 = 0 then 7 when e % 5 = 1 then 5 else 3 end, 1 + floor(:groups * random() ^ 2)::int, "
    "case when e % 5 = 0 then s.n * 100 + e end, case when e % 5 = 0 then 1 + floor(random() * 3) else 1 end "
    "from generate_series(1, :events) e cross join someone s",
    "analyze",
)


async def fill(url: str, people: int, events: int) -> None:
    """Make people up with events of some 20,000 groups."""
    from sqlalchemy import text

    db = Database(url)
    async with db.begin() as connection:
        for statement in _FILL:
            names = {"tenant": DEFAULT_TENANT, "groups": GROUPS, "people": people, "events": events}
            await connection.execute(text(statement), {name: value for name, value in names.items() if f":{name}" in statement})
    await db.close()


def tell(name: str, value: float, unit: str) -> None:
    """Print a figure."""
    print(
        json.dumps({"name": name, "value": round(value, 1), "unit": unit, "baseline": None, "ratio": None, "target": None, "ok": None}),
        flush=True,
    )


def main() -> None:
    """Fill, rebuild as an operator would, print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--people", type=int, default=1_000_000)
    arguments.add_argument("--events", type=int, default=20, help="Events a person.")
    arguments.add_argument("--keep", type=Path, default=None, help="Folder to make the people up in and to find them again.")
    given = arguments.parse_args()
    logging.configure("error", "console")
    with tempfile.TemporaryDirectory(prefix="morsel-bench-") as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        settings = Settings(data_dir=folder / "data", log_level="error")
        with services(settings) as urls:
            if not (folder / "filled").exists():
                migrations.upgrade(urls.database_url)
                began = time.monotonic()
                asyncio.run(fill(urls.database_url, given.people, given.events))
                tell("rebuild_people_made_up_in", time.monotonic() - began, "s")
                (folder / "filled").touch()
            names = {
                "DATABASE_URL": urls.database_url,
                "REDIS_URL": urls.redis_url,
                "DATA_DIR": str(settings.data_dir),
                "LOG_LEVEL": "error",
            }
            environment = {**os.environ, **{f"MORSEL_{name}": value for name, value in names.items()}}
            began = time.monotonic()
            process = subprocess.Popen([sys.executable, "-m", "app.cli", "rebuild"], env=environment)
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.monotonic() - began
            if status:
                sys.exit("the rebuild failed")
            people = asyncio.run(count(urls.database_url))
    tell("rebuild_people", people, "people")
    tell("rebuild_rate", people / seconds, "people/s")
    tell("rebuild_a_million", 1e6 * seconds / people, "s")
    tell("rebuild_cpu", 1e6 * (used.ru_utime + used.ru_stime) / people, "us/person")
    tell("rebuild_peak_memory", used.ru_maxrss * 1024 / 1e6, "MB")


async def count(url: str) -> int:
    """Return how many people have a state."""
    db = Database(url)
    try:
        return await store.count_people(db, DEFAULT_TENANT)
    finally:
        await db.close()


if __name__ == "__main__":
    main()
