"""What somebody left or damaged in the snapshot folder, or a disk that takes nothing, keeps no server from starting and following."""

import errno
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.core.db import Database
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings
from app.serving.snapshot import disk, holder
from app.serving.snapshot.holder import Holder
from tests.serving.shop import document, put_items, stock


def test_stray_names_and_a_damaged_directory_are_passed_over(db: Database, settings: Settings, tmp_path: Path) -> None:
    folder = settings.data_dir.resolve() / "snapshot"
    (folder / "1.bak").mkdir(parents=True)
    (folder / "2").write_text("no folder")
    (folder / "access.json").write_text("[]")
    holder = Holder(db, settings, lambda directory: None)
    holder._from_disk()
    assert not holder.ready


@pytest.mark.parametrize("missing", ["sums", "base", "config", "config_sum", "versions"])
@pytest.mark.parametrize("value", [None, 5, []])
def test_a_pointer_that_is_not_whole_is_damaged(tmp_path: Path, missing: str, value: object) -> None:
    said = {"format": disk.FORMAT, "base": "a", "config": "b", "config_sum": "c", "sums": {}, "versions": {}}
    (tmp_path / "current.json").write_bytes(orjson.dumps({**said, missing: value}))
    with pytest.raises(disk.Damaged, match="whole"):
        disk.load(tmp_path)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What the holder logs."""
    found: list[tuple[str, dict[str, Any]]] = []
    for level in ("info", "warning", "error"):
        monkeypatch.setattr(holder.log, level, lambda event, **values: found.append((event, values)), raising=False)
    return found


Told = list[tuple[str, dict[str, Any]]]


async def test_a_folder_that_cannot_be_written_is_told_as_such_and_everything_is_followed(
    settings: Settings, db: Database, told: Told
) -> None:
    await stock(db, settings, models=False)
    folder = settings.data_dir.resolve() / "snapshot"
    folder.write_text("no folder")
    found = Holder(db, settings, lambda directory: None)
    await found.start()
    assert found.ready
    assert found.age() < 60
    assert "snapshot.database_down" not in [event for event, _ in told]
    assert {values["folder"] for event, values in told if event == "snapshot.not_written"} == {str(folder)}
    before = len(found.current[DEFAULT_TENANT].catalogue)
    await put_items(db, settings, DEFAULT_TENANT, [document(9_999)])
    assert await found.refresh()
    assert len(found.current[DEFAULT_TENANT].catalogue) == before + 1, "changes are followed all the same"
    reasons = [values["error"] for event, values in told if event == "snapshot.not_written"]
    assert len(reasons) == len(set(reasons)), "each reason once"
    assert set(reasons) <= {"Not a directory", "File exists"}
    folder.unlink()
    found._unwritten = {what: (0.0, write) for what, (_, write) in found._unwritten.items()}
    assert await found.refresh()
    assert [event for event, _ in told][-1] == "snapshot.written"
    catalogue, *_ = disk.load(folder / str(DEFAULT_TENANT))
    assert len(catalogue) == before + 1
    assert (folder / "access.json").exists()


async def test_a_full_disk_leaves_the_last_snapshot_whole_and_no_half_of_the_next(
    settings: Settings, db: Database, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stock(db, settings, models=False)
    found = Holder(db, settings, lambda directory: None)
    await found.start()
    place = settings.data_dir.resolve() / "snapshot" / str(DEFAULT_TENANT)
    kept, before = sorted(path.name for path in place.iterdir()), len(found.current[DEFAULT_TENANT].catalogue)

    def full(out: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(disk, "_settle", full)
    monkeypatch.setattr(holder, "_BASE_EVERY_S", -1.0)
    await put_items(db, settings, DEFAULT_TENANT, [document(9_999)])
    assert await found.refresh()
    assert [values["error"] for event, values in told if event == "snapshot.not_written"] == ["No space left on device"]
    assert sorted(path.name for path in place.iterdir()) == kept
    assert len(disk.load(place)[0]) == before
    assert len(found.current[DEFAULT_TENANT].catalogue) == before + 1
