"""`morsel refused`, as an operator uses it."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from app.cli import assembled
from app.core.db import Database
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings, load
from app.data.events.formats.segment_api import Arrival
from app.data.events.refused.refusal import Refusal
from app.data.events.refused.service import Refusals
from app.data.identity.vault import DataKeys

WRONG = b'{"type": "track", "userId": "ann", "event": "Product Viewed", "timestamp": "yesterday", "n": %d}'


@pytest.fixture
def morsel(
    database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CliRunner]:
    """A command line beside a database in which three refused events lie."""
    folder = tmp_path_factory.mktemp("morsel")
    for name, value in (("DATABASE_URL", database_url), ("REDIS_URL", redis_url), ("DATA_DIR", str(folder)), ("LOG_LEVEL", "error")):
        monkeypatch.setenv(f"MORSEL_{name}", value)
    load.cache_clear()

    async def fill() -> None:
        db = Database(database_url)
        refusals = Refusals(db, DataKeys(Settings()), most_bytes=1_000_000)
        how = Arrival(datetime(2026, 5, 1, 10, tzinfo=UTC))
        await refusals.keep(DEFAULT_TENANT, [Refusal(WRONG % place, "timestamp is not a date", "track", how, 1) for place in range(3)])
        await db.close()

    asyncio.run(fill())
    yield CliRunner()
    load.cache_clear()


def test_refused_events_are_listed_shown_put_right_and_forgotten(morsel: CliRunner) -> None:
    command = assembled({"refused"})

    def run(*given: str) -> Any:
        told = morsel.invoke(command, ["refused", *given])
        assert told.exit_code == 0, told.output
        return orjson.loads(told.stdout)

    listed = run("list")
    assert [one["count"] for one in listed["reasons"]] == [3]
    first, _, third = sorted(one["refused_no"] for one in listed["refused"])
    assert run("show", str(first))["message"]["n"] == 0
    assert run("replay", str(first), "--changes", '{"timestamp": null}')["stored"] == 1
    assert run("replay")["still_refused"] == 2
    assert run("replay", "--changes", '{"timestamp": 1777629600}', "--limit", "1")["stored"] == 1
    assert run("forget", str(third)) == {"forgotten": 1}
    assert run("list")["refused"] == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["show", "4711"], "There is no refused event of this number."),
        (["replay", "--changes", "{"], "--changes is not valid JSON"),
        (["replay", "1", "--message", "[]"], "--message must be a JSON object"),
        (["replay", "--message", "{}"], "give its number"),
        (["forget"], "give a number, --reason or --all"),
    ],
)
def test_a_wrong_command_says_what_to_do(morsel: CliRunner, given: list[str], says: str) -> None:
    told = morsel.invoke(assembled({"refused"}), ["refused", *given])
    assert isinstance(told.exception, SystemExit)
    assert told.exit_code == 1
    assert says in told.output
