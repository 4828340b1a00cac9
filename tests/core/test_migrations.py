"""The schema goes up, down and up again, and every table is keyed by its tenant first."""

import subprocess
import sys

from alembic.script import ScriptDirectory

from app.core import migrations
from app.core.db import Database


def test_migrations_run_down_and_up_again(database_url: str) -> None:
    migrations.downgrade(database_url, "base")
    migrations.upgrade(database_url)
    migrations.upgrade(database_url)


def test_the_newest_revision_is_the_one_that_alembic_goes_to() -> None:
    assert migrations.newest() == ScriptDirectory.from_config(migrations._config("")).get_current_head()


def test_a_schema_that_is_up_to_date_costs_no_alembic(database_url: str) -> None:
    code = "import sys; from app.core import migrations; migrations.upgrade(sys.argv[1]); print('alembic' in sys.modules)"

    def loaded() -> str:
        return subprocess.run([sys.executable, "-c", code, database_url], capture_output=True, text=True, check=True).stdout.strip()

    assert loaded() == "False"
    migrations.downgrade(database_url, "0001")
    assert loaded() == "True"
    assert loaded() == "False"


async def test_the_tenant_leads_every_primary_key(db: Database) -> None:
    rows = await db.rows(
        """select c.relname, a.attname from pg_index i join pg_class c on c.oid = i.indrelid
           join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
           where i.indisprimary and c.relnamespace = 'public'::regnamespace"""
    )
    others = {table for table, column in rows if column != "tenant"}
    assert others == {"alembic_version", "seen_generation"}
    assert len(rows) > 20
