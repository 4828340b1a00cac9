"""A file that is in another encoding than it is read in is shown and told, never a fault of ours."""

from pathlib import Path

import orjson

from app.core.db import Database
from app.core.ids import DEFAULT_TENANT
from app.core.texts import readable
from app.data.imports import runs
from app.data.imports.report import Report
from app.data.uploads.domain import Options
from app.data.uploads.preview import preview


def test_a_preview_shows_what_is_no_text_as_such(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes("id;title;größe\na1;Mütze;ü\n".encode("latin-1"))
    shown = orjson.loads(preview(path, "items", "file.csv", Options(encoding="utf-8", delimiter=";"), 65_536, []).model_dump_json())
    assert "\ufffd" in orjson.dumps(shown["rows"]).decode()


async def test_a_report_that_quotes_what_is_no_text_is_kept(db: Database) -> None:
    run = await runs.begin(db, DEFAULT_TENANT, "items", "file.csv")
    report = Report()
    report.refuse("file.csv", 2, "not valid UTF-8: M\udcfctze")
    await runs.finish(db, DEFAULT_TENANT, run, report)
    kept = await db.rows("select report::text, refused from import_run")
    assert "M\ufffdtze" in kept[0][0]


def test_only_what_is_no_text_is_replaced() -> None:
    assert readable({"a\udc80": ["ü", "😀", 1, None, "x\udfff"]}) == {"a\ufffd": ["ü", "😀", 1, None, "x\ufffd"]}
