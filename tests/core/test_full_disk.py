"""A full disk costs series, and never the process that counts them."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.core import series_files
from app.core.series_files import ReservedDict


def full(monkeypatch: pytest.MonkeyPatch, above: int) -> None:
    """Let a disk have no more blocks for a file above a size."""
    real = os.posix_fallocate

    def reserve(file: int, offset: int, length: int) -> None:
        if length > above:
            raise OSError(errno.ENOSPC, "no space left")
        real(file, offset, length)

    monkeypatch.setattr(series_files.os, "posix_fallocate", reserve)


def test_blocks_of_a_series_file_are_there_before_it_is_written_to(tmp_path: Path) -> None:
    made = ReservedDict(str(tmp_path / "counter_1.db"))
    first = os.stat(tmp_path / "counter_1.db")
    assert first.st_blocks * 512 >= first.st_size > 0
    for number in range(20_000):
        made.write_value(f"series number {number}, which has a long name of its own", float(number), 0.0)
    status = os.stat(tmp_path / "counter_1.db")
    assert status.st_blocks * 512 >= status.st_size > 1 << 20
    made.close()
    read = {key: value for key, value, *_ in ReservedDict.read_all_values_from_file(str(tmp_path / "counter_1.db"))}
    assert read["series number 19999, which has a long name of its own"] == 19_999


def test_on_a_full_disk_series_stay_in_memory_and_no_broken_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full(monkeypatch, 0)
    made = ReservedDict(str(tmp_path / "counter_1.db"))
    for number in range(20_000):
        made.write_value(f"series number {number}, which has a long name of its own", float(number), 0.0)
    assert made.read_value("series number 19999, which has a long name of its own") == (19_999.0, 0.0)
    assert list(tmp_path.iterdir()) == []
    made.close()


def test_a_disk_that_becomes_full_leaves_what_was_counted_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full(monkeypatch, 1 << 16)
    made = ReservedDict(str(tmp_path / "counter_1.db"))
    for number in range(20_000):
        made.write_value(f"series number {number}, which has a long name of its own", float(number), 0.0)
    assert made.read_value("series number 19999, which has a long name of its own") == (19_999.0, 0.0)
    assert made.read_value("series number 0, which has a long name of its own") == (0.0, 0.0)
    assert os.stat(tmp_path / "counter_1.db").st_size == 1 << 16
    made.close()


def test_a_process_with_no_room_for_its_series_counts_and_tells_all_the_same(tmp_path: Path) -> None:
    code = (
        "import os, errno\n"
        "def none(*_): raise OSError(errno.ENOSPC, 'no space left')\n"
        "os.posix_fallocate = none\n"
        "from app.core import telemetry\n"
        "telemetry.served('p', 'live', '', 0.1); telemetry.metrics(); print('lives')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.stdout.endswith("lives\n"), done.stderr
