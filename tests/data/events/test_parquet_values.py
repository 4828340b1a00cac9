"""Values that a Parquet file can hold and a program cannot read: each is a sentence about its row, or about the file."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.data.imports import parquet as reader
from app.data.imports.files import FileFault, Row
from app.data.imports.parquet import parquet

pa = pytest.importorskip("pyarrow")


def rows(folder: Path, table: Any, wanted: tuple[str, ...] = ("a",), **how: Any) -> list[Row]:
    import pyarrow.parquet

    path = folder / "x.parquet"
    pyarrow.parquet.write_table(table, path, **how)
    with parquet(path, wanted) as opened:
        return list(opened.rows)


def of(values: list[Any], kind: Any) -> Any:
    return pa.table({"a": pa.array(values, kind), "b": pa.array([f"b{place}" for place in range(len(values))])})


FAR = [
    ("timestamp[us]", lambda: pa.timestamp("us"), 1 << 62),
    ("timestamp[ms]", lambda: pa.timestamp("ms"), 1 << 50),
    ("timestamp[ms]", lambda: pa.timestamp("s"), 1 << 40),  # Parquet has no seconds
    ("date32[day]", lambda: pa.date32(), 1 << 30),
]


@pytest.mark.parametrize(("name", "kind", "far"), FAR)
def test_a_time_out_of_range_costs_its_own_row_only(tmp_path: Path, name: str, kind: Any, far: int) -> None:
    found = rows(tmp_path, of([0, far, None, 0], kind()), ("a", "b"))
    assert [(row.line, row.fault is None) for row in found] == [(1, True), (2, False), (3, True), (4, True)]
    assert str(found[1].fault).startswith(f"a: the value cannot be read as {name}")
    assert [row.values[1] for row in found] == ["b0", "b1", "b2", "b3"]
    assert str(found[0].values[0]).startswith("1970-01-01")


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_nanoseconds_are_cut_to_microseconds(tmp_path: Path, zone: str | None) -> None:
    (row,) = rows(tmp_path, of([1_700_000_000_123_456_789], pa.timestamp("ns", zone)))
    assert row.fault is None
    assert row.values[0].replace(tzinfo=UTC) == datetime(2023, 11, 14, 22, 13, 20, 123_456, tzinfo=UTC)


@pytest.mark.parametrize(("kind", "value", "read"), [("time64", 3_600_000_000_000, "01:00:00"), ("duration", 90_000_000_000, "0:01:30")])
def test_other_times_of_nanoseconds_are_read_too(tmp_path: Path, kind: str, value: int, read: str) -> None:
    (row,) = rows(tmp_path, of([value], getattr(pa, kind)("ns")))
    assert (row.fault, row.values) == (None, (read,))


def test_times_of_a_zone_that_nobody_knows_are_refused_row_by_row(tmp_path: Path) -> None:
    found = rows(tmp_path, of([1, None], pa.timestamp("us", "Mars/Olympus")))
    assert [row.fault is None for row in found] == [False, True]
    assert "Mars/Olympus" in str(found[0].fault)


@pytest.mark.parametrize(
    ("values", "kind", "read"),
    [
        ([b"u1", "é".encode()], lambda: pa.binary(), ["u1", "é"]),
        ([[b"x", None], []], lambda: pa.list_(pa.binary()), [["x", None], []]),
        ([{"n": b"x"}], lambda: pa.struct([("n", pa.binary())]), [{"n": "x"}]),
        ([[("k", b"v")]], lambda: pa.map_(pa.string(), pa.binary()), [[["k", "v"]]]),
        (["x", "y", "x"], lambda: pa.dictionary(pa.int8(), pa.string()), ["x", "y", "x"]),
    ],
)
def test_bytes_are_texts_also_inside_of_lists(tmp_path: Path, values: list[Any], kind: Any, read: list[Any]) -> None:
    found = rows(tmp_path, of(values, kind()))
    assert [row.fault for row in found] == [None] * len(values)
    assert [row.values[0] for row in found] == read


def test_bytes_that_are_no_text_are_told_with_their_row(tmp_path: Path) -> None:
    wrong = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")])
    for table in (of([b"\xff"], pa.binary()), of([[b"\xff"]], pa.list_(pa.binary())), pa.table({"a": wrong})):
        (row,) = rows(tmp_path, table)
        assert row.fault == "a: not valid UTF-8"


def test_a_column_that_stands_twice_is_refused_if_it_is_wanted(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], ["a", "a", "b"])
    with pytest.raises(FileFault, match=r"x\.parquet: the file names a column twice: a"):
        rows(tmp_path, table)
    assert [row.values for row in rows(tmp_path, table, ("b",))] == [(3,)]


def test_a_file_without_any_wanted_column_is_refused_with_those_it_has(tmp_path: Path) -> None:
    with pytest.raises(FileFault, match="no column user or visitor; it has a, b"):
        rows(tmp_path, of([1], pa.int8()), ("user", "visitor"))


def test_a_value_larger_than_a_line_may_be_costs_its_row_or_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "LARGEST_FIELD", 1_000)
    found = rows(tmp_path, of(["short", "x" * 2_000, *["short"] * 20], pa.string()), use_dictionary=False)
    assert [row.fault for row in found] == [None, "a: longer than 1000 bytes", *[None] * 20]
    assert (found[1].values[0], found[2].values[0]) == (None, "short")
    with pytest.raises(FileFault, match="values of a are longer than 1000 bytes"):
        rows(tmp_path, of(["x" * 5_000], pa.string()), use_dictionary=False)
    monkeypatch.setattr(reader, "_LARGEST_GROUP", 100)
    with pytest.raises(FileFault, match="write smaller row groups"):
        rows(tmp_path, of(["xy" * 10] * 20, pa.string()), use_dictionary=False)


def test_wide_rows_are_read_a_few_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_BYTES_AT_ONCE", 500)
    found = rows(tmp_path, of([str(place) * 60 for place in range(30)], pa.string()), use_dictionary=False)
    assert [row.values[0] for row in found] == [str(place) * 60 for place in range(30)]
    assert [row.line for row in found] == list(range(1, 31))


def test_a_fault_of_whoever_reads_is_no_fault_of_the_file(tmp_path: Path) -> None:
    import pyarrow.parquet

    pyarrow.parquet.write_table(of([1], pa.int8()), tmp_path / "x.parquet")
    with pytest.raises(ConnectionRefusedError), parquet(tmp_path / "x.parquet", ("a",)):
        raise ConnectionRefusedError


def test_a_file_that_is_cut_off_is_told_as_such(tmp_path: Path) -> None:
    rows(tmp_path, of(list(range(1_000)), pa.int64()))
    path = tmp_path / "x.parquet"
    whole = path.read_bytes()
    for damaged in (whole[:-20], whole[:200] + bytes(200) + whole[400:], b"PAR1", b""):
        path.write_bytes(damaged)
        with pytest.raises(FileFault, match=r"x\.parquet: not"), parquet(path, ("a",)) as opened:
            list(opened.rows)
    with pytest.raises(FileFault, match="cannot be read"), parquet(tmp_path / "none.parquet", ("a",)):
        raise AssertionError
