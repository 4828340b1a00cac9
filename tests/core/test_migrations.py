"""The schema goes up, down and up again, and every table is keyed by its tenant first."""

import asyncio
import subprocess
import sys

import orjson
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


def test_people_of_before_merges_keep_their_ids_and_their_consent(database_url: str) -> None:
    migrations.downgrade(database_url, "0004")
    asyncio.run(_run(database_url, *_BEFORE_MERGES))
    migrations.upgrade(database_url)
    rows = asyncio.run(_rows(database_url, "select person_no, root_no, kind, consent, said from person order by 1"))
    assert rows == [(1, 1, 1, 0, 0), (2, 2, 2, None, None), (3, 3, 1, 1, 1)]
    migrations.downgrade(database_url, "0004")
    assert asyncio.run(_rows(database_url, "select person_no, consent from person order by 1")) == [(1, 0), (2, None), (3, 1)]


_BEFORE_MERGES = (
    "insert into person (tenant, person_no, data_key, consent) values (1, 1, 'k', 0), (1, 2, 'k', null), (1, 3, 'k', 1)",
    "insert into person_identity (tenant, key, kind, value, person_no, is_primary) "
    "values (1, 'a', 1, 'ann', 1, true), (1, 'b', 2, 'phone', 1, false), (1, 'c', 2, 'cookie', 2, true)",
)


async def _run(url: str, *statements: str) -> None:
    database = Database(url)
    for statement in statements:
        await database.run(statement)
    await database.close()


async def _rows(url: str, statement: str) -> list[tuple[object, ...]]:
    database = Database(url)
    found = [tuple(row) for row in await database.rows(statement)]
    await database.close()
    return found


def test_states_go_on_where_their_shards_stood_and_begin_anew_where_these_say_different_things(database_url: str) -> None:
    migrations.downgrade(database_url, "0013")
    asyncio.run(
        _run(
            database_url,
            "insert into tenant (tenant, name) values (2, 'torn'), (3, 'half')",
            "insert into shard_position select 1, s, '77'::xid8, 9, 'here' from generate_series(0, 15) s",
            "insert into shard_position select 2, s, (70 + s)::text::xid8, 9, 'here' from generate_series(0, 15) s",
            "insert into shard_position select 3, s, '77'::xid8, 9, 'here' from generate_series(0, 7) s",
        )
    )
    migrations.upgrade(database_url)
    assert asyncio.run(_rows(database_url, "select tenant, reader, xid::text, event_no, cluster from log_position")) == [
        (1, "states", "77", 9, "here")
    ]
    migrations.downgrade(database_url, "0013")
    assert asyncio.run(_rows(database_url, "select tenant, count(*), min(xid::text) from shard_position group by 1")) == [(1, 16, "77")]


def test_traits_of_before_sources_were_told_by_identify_and_the_newest_word_goes_back(database_url: str) -> None:
    migrations.downgrade(database_url, "0021")
    asyncio.run(_run(database_url, *_BEFORE_SOURCES))
    migrations.upgrade(database_url)
    ((told,),) = asyncio.run(_rows(database_url, "select traits::text from person where traits <> '{}'"))
    moment = 1_767_225_600_500_000
    assert orjson.loads(told) == {"plan": {"identify": ["gold", moment]}, "size": {"identify": [40, 0]}}
    better = orjson.dumps({"plan": {"identify": ["gold", moment], "api": ["silver", moment + 1]}}).decode()
    asyncio.run(_run(database_url, f"update person set traits = '{better}' where traits <> '{{}}'"))
    migrations.downgrade(database_url, "0021")
    sql = "select traits::text, (traits_at ->> 'plan')::timestamptz > '2026-01-01Z' from person order by 1"
    rows = asyncio.run(_rows(database_url, sql))
    assert rows == [('{"plan": "silver"}', True), ("{}", None)]


_BEFORE_SOURCES = (
    "insert into person (tenant, person_no, root_no, data_key, traits, traits_at) values (1, 1, 1, 'k', '{}', '{}'), "
    """(1, 2, 2, 'k', '{"plan": "gold", "size": 40}', '{"plan": "2026-01-01T00:00:00.5+00:00"}')""",
)
