"""Rows of files people hand in (CSV, TSV, JSON lines; gzip or not), one at a time, bad ones told instead of raised."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

LARGEST_FIELD = 131_072
LARGEST_LINE = 4_194_304


class FileFault(Exception):
    """A whole file cannot be read; the text says why and what to do."""


@dataclass(slots=True)
class Row:
    """One row: the line it begins on, and its values in the order of the columns, or what is wrong with it."""

    line: int
    values: Sequence[Any]
    fault: str | None = None


@dataclass
class Opened:
    """An open file: its columns and its rows; `position()` tells how many of its `size` bytes were read."""

    columns: list[str]
    rows: Iterator[Row]
    raw: IO[bytes] | None
    size: int

    def position(self) -> int:
        """Bytes of the file read so far."""
        return self.size if self.raw is None or self.raw.closed else self.raw.tell()


@contextmanager
def binary(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Open a file; give the unpacked stream and the raw one below, which knows how far the reading is."""
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            yield (gzip.GzipFile(fileobj=raw) if packed else raw), raw  # type: ignore[misc]
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FileFault(f"{path.name}: the gzip file is damaged or cut off ({error})") from None
    except OSError as error:
        raise FileFault(f"{path.name}: cannot be read ({error.strerror or error})") from None


def kind_of(path: Path) -> str:
    """Guess the format from the file's name: csv, tsv, jsonl, parquet or xml; raises FileFault."""
    name = path.name.lower().removesuffix(".gz")
    for ending, kind in _ENDINGS.items():
        if name.endswith(ending):
            return kind
    raise FileFault(f"{path.name}: the format cannot be told from the name; give it")


_ENDINGS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".xml": "xml",
    ".rss": "xml",
}


@contextmanager
def table(path: Path, *, delimiter: str = ",", encoding: str = "utf-8") -> Iterator[Opened]:
    """Open a delimited file with a header row; an empty file has no columns and no rows."""
    with binary(path) as (stream, raw):
        text = _text(path, stream, encoding)
        reader = csv.reader(text, delimiter=delimiter)
        try:
            header = [name.strip() for name in next(reader, [])]
        except (csv.Error, UnicodeError) as error:
            raise FileFault(f"{path.name}: the header cannot be read ({error})") from None
        twice = {name for name in header if name and header.count(name) > 1}
        if twice:
            raise FileFault(f"{path.name}: the header names a column twice: {', '.join(sorted(twice))}")
        yield Opened(header, _delimited(path, reader, len(header)), raw, path.stat().st_size)


def _text(path: Path, stream: IO[bytes], encoding: str) -> io.TextIOWrapper:
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"
    try:
        # bytes that are no text become lone surrogates, which a row's own check finds and names with its line
        return io.TextIOWrapper(stream, encoding=encoding, errors="surrogateescape", newline="")
    except LookupError:
        raise FileFault(f"{path.name}: unknown encoding {encoding}") from None


def _delimited(path: Path, reader: Any, width: int) -> Iterator[Row]:
    line = reader.line_num
    while True:
        begins = line + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            line = reader.line_num
            yield Row(begins, (), f"not readable: {error}")
            continue
        except UnicodeError as error:
            raise FileFault(f"{path.name}: wrong encoding near line {begins} ({error})") from None
        line = reader.line_num
        if not values:
            continue
        if len(values) != width:
            yield Row(begins, values, f"has {len(values)} fields where the header has {width}")
        else:
            yield Row(begins, values)


@contextmanager
def objects(path: Path) -> Iterator[tuple[Iterator[tuple[int, Any, str | None]], Opened]]:
    """Open a file with one JSON object a line; gives (line, object, fault)."""
    with binary(path) as (stream, raw):
        yield _objects(stream), Opened([], iter(()), raw, path.stat().st_size)


def _objects(stream: IO[bytes]) -> Iterator[tuple[int, Any, str | None]]:
    line = 0
    while raw := stream.readline(LARGEST_LINE):
        line += 1
        if len(raw) >= LARGEST_LINE and not raw.endswith(b"\n"):
            while (rest := stream.readline(LARGEST_LINE)) and not rest.endswith(b"\n"):
                continue
            yield line, None, f"the line is longer than {LARGEST_LINE} bytes"
            continue
        raw = raw.removeprefix(b"\xef\xbb\xbf").strip() if line == 1 else raw.strip()
        if not raw:
            continue
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            yield line, None, f"not valid JSON: {error.msg}"
            continue
        if not isinstance(value, dict):
            yield line, None, "not a JSON object"
            continue
        yield line, value, None


@contextmanager
def json_rows(path: Path, columns: Sequence[str]) -> Iterator[Opened]:
    """Open JSON lines as rows of the named columns; a dot in a name reaches into an object."""
    with objects(path) as (found, opened):
        paths = [name.split(".") for name in columns]
        rows = (Row(line, [_reach(value, p) for p in paths], fault) for line, value, fault in found)
        yield Opened(list(columns), rows, opened.raw, opened.size)


def _reach(value: Any, path: Sequence[str]) -> Any:
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


csv.field_size_limit(LARGEST_FIELD)
