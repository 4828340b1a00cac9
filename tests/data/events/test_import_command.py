"""`morsel import events` and `undo`, as a script of an operator sees them: exit status, report, one line of error."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from app.cli import assembled
from app.core.settings import load

MAPPING = """
[columns]
user_id = "user"
occurred_at = "at"
item_id = "sku"
[constants]
kind = "purchase"
"""


@pytest.fixture
def morsel(database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A command line beside an empty database; it is called with arguments of `morsel import`."""
    for name, value in (("DATABASE_URL", database_url), ("REDIS_URL", redis_url), ("DATA_DIR", str(tmp_path)), ("LOG_LEVEL", "error")):
        monkeypatch.setenv(f"MORSEL_{name}", value)
    load.cache_clear()
    (tmp_path / "m.toml").write_text(MAPPING)
    runner, command = CliRunner(), assembled({"import"})

    def take(text: str) -> Any:
        (tmp_path / "a.csv").write_text(text)
        files = [str(tmp_path / "a.csv"), "--mapping", str(tmp_path / "m.toml"), "--source", "till"]
        return runner.invoke(command, ["import", "events", *files])

    (tmp_path / "items.csv").write_text("id,title,price\na,Hat,9 EUR\n")
    take.items = lambda: runner.invoke(command, ["import", "items", str(tmp_path / "items.csv")])  # type: ignore[attr-defined]
    take.undo = lambda source: runner.invoke(command, ["import", "undo", source])  # type: ignore[attr-defined]
    yield take
    load.cache_clear()


def test_an_import_of_which_nothing_landed_fails_and_one_that_is_repeated_does_not(morsel: Any) -> None:
    for text in ("", "user,at,sku\n", "user,at,sku\nundefined,2025-12-01,a\n"):
        told = morsel(text)
        assert told.exit_code == 1, told.output
        assert "nothing landed" in told.stderr
    assert morsel.items().exit_code == 0
    good = "user,at,sku\nann,2025-12-01,a\n"
    assert morsel(good).exit_code == 0
    assert morsel(good).exit_code == 0
    undone = morsel.undo("till")
    assert (undone.exit_code, orjson.loads(undone.stdout)) == (0, {"events": 1, "people": 1, "ledger": 1})
    assert morsel(good).exit_code == 0
    unknown = morsel.undo("tlil")
    assert unknown.exit_code != 0
    assert unknown.stderr.strip().splitlines()[-1].endswith("there is no source tlil; there are: till")


def test_rows_that_name_no_item_of_the_catalogue_fail_the_import_and_tell_how_to_take_it_back(morsel: Any) -> None:
    assert morsel.items().exit_code == 0
    wrong = morsel("user,at,sku\nann,2025-12-01,x7\nben,2025-12-02,x8\n")
    assert wrong.exit_code == 1
    assert "2 of 2 rows name items that the catalogue does not have, such as x7, x8" in wrong.stderr
    assert "morsel import undo SOURCE" in wrong.stderr
    assert morsel.undo("till").exit_code == 0
    mixed = morsel("user,at,sku\nann,2025-12-01,x7\nben,2025-12-02,x8\nann,2025-12-03,a\n")
    assert mixed.exit_code == 0
    assert "warning: 2 of 3 rows" in mixed.stderr
    assert "warning" not in morsel("user,at,sku\nann,2025-12-04,a\n").stderr
