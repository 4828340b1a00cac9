"""`morsel sends`: a file of ids, streamed, its bad lines told; list, show and cancel."""

import gzip
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.commands.sends import ids_in
from app.core.db import Database
from app.core.settings import Settings
from tests.commands import conftest

START = f"{datetime.now(UTC) + timedelta(days=10):%Y-%m-%dT%H:%M:%S}"
UGLY = b"\xef\xbb\xbfu1\r\nu2\n\n  u3  \nno\0body\n\xff\xfe\n" + b"x" * 300 + b"\n" + b"y" * 5000 + b"\nu1\nnobody\nlast"


class Line(conftest.Line):
    """Runs `morsel sends` as an operator would."""

    async def run(self, *words: str | Path, status: int = 0) -> tuple[str, str]:
        """Run `morsel sends ...`; return what it said on its two outputs."""
        return await super().run("sends", *words, status=status)


@pytest.fixture
async def line(settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Line]:
    async with conftest.at_hand(settings, db, monkeypatch):
        yield Line()


def test_a_file_is_read_line_by_line_and_bad_lines_keep_their_number(tmp_path: Path) -> None:
    plain, packed = tmp_path / "ids.txt", tmp_path / "ids.txt.gz"
    plain.write_bytes(UGLY)
    packed.write_bytes(gzip.compress(UGLY))
    expected = [
        (1, "u1", ""), (2, "u2", ""), (4, "u3", ""), (5, "no\0body", "contains a NUL character"), (6, "", "is not valid UTF-8"),
        (7, "x" * 300, "is longer than 256 characters"), (8, "", "is longer than 256 characters"), (9, "u1", ""), (10, "nobody", ""),
        (11, "last", ""),
    ]  # fmt: skip
    assert [tuple(one) for one in ids_in(plain)] == expected
    assert [tuple(one) for one in ids_in(packed)] == expected


async def test_a_send_to_a_file_is_announced_listed_shown_and_called_off(line: Line, tmp_path: Path, db: Database) -> None:
    file = tmp_path / "ids.txt"
    file.write_bytes(UGLY)
    words = ("create", "email-grid", "--duration", "3600", "--start", START, "--name", "Spring", "--audience", file)
    out, told = await line.run(*words, "--dry-run")
    assert json.loads(out)["id"] is None
    assert told.splitlines() == [
        "line 5: contains a NUL character", "line 6: is not valid UTF-8", "line 7: is longer than 256 characters",
        "line 8: is longer than 256 characters",
    ]  # fmt: skip
    assert await line.json("list") == []
    made = await line.json(*words)
    assert made["audience"] == {"given": 10, "duplicate": 1, "unreadable": 4, "people": 5, "everyone": False, "segment": "", "when": ""}
    assert (made["start"], made["progress"]["unknown"]) == (f"{START}Z", 2)
    assert [one["name"] for one in await line.json("list")] == ["Spring"]
    shown = await line.json("show", str(made["id"]))
    assert {"worker_away"} <= {one["code"] for one in shown["findings"]}
    assert (await line.run("cancel", str(made["id"])))[0] == f"send {made['id']} is cancelled\n"
    assert (await db.rows("select count(*) from send_person"))[0][0] == 0


async def test_what_cannot_be_announced_ends_with_the_reason(line: Line, tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text("u1\n")
    damaged = tmp_path / "ids.gz"
    damaged.write_bytes(gzip.compress(b"u1\n" * 1000)[:40])
    for words, reason in (
        (("create", "email-grid", "--duration", "60"), "Give either user ids or everyone"),
        (("create", "email-grid", "--duration", "60", "--everyone", "--audience", file), "Give either user ids or everyone"),
        (("create", "email-grid", "--duration", "0", "--everyone"), "duration_s"),
        (("create", "No Name", "--duration", "60", "--everyone"), "placement"),
        (("create", "email-grid", "--duration", "60", "--start", "2020-01-01", "--everyone"), "over already"),
        (("create", "email-grid", "--duration", "60", "--audience", damaged), "damaged or cut off"),
        (("show", "99"), "There is no send 99"),
        (("cancel", "99"), "There is no send 99"),
    ):
        _, told = await line.run(*words, status=1)
        assert reason in told
        assert "Traceback" not in told
    assert await line.json("list") == []
