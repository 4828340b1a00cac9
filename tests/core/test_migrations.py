"""The schema goes up, down and up again, and every table is keyed by its tenant first."""

from app.core import migrations
from app.core.db import Database


def test_migrations_run_down_and_up_again(database_url: str) -> None:
    migrations.downgrade(database_url, "base")
    migrations.upgrade(database_url)
    migrations.upgrade(database_url)


async def test_the_tenant_leads_every_primary_key(db: Database) -> None:
    rows = await db.rows(
        """select c.relname, a.attname from pg_index i join pg_class c on c.oid = i.indrelid
           join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
           where i.indisprimary and c.relnamespace = 'public'::regnamespace"""
    )
    others = {table for table, column in rows if column != "tenant"}
    assert others == {"alembic_version", "seen_generation"}
    assert len(rows) > 20
