"""Rows of files people hand in (CSV, TSV, JSON lines; gzip, zip or not), one at a time, bad ones told instead of raised."""

import codecs
import csv
import gzip
import io
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson

from app.data.imports.tabbed import Tabbed

LARGEST_LINE = 4_194_304
# in characters; a description of a megabyte is cut later, not refused
LARGEST_FIELD = LARGEST_LINE
# of equally frequent ones the first: a comma is the likeliest to stand in a name
_DELIMITERS = "\t;|,"


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
    """An open file: its columns and its rows; `position()` tells how many of its `size` bytes were read.

    Of JSON lines `unmet` holds the columns that no line read so far had, and `keys` the names in the first line. `notes` say what was
    assumed, `delimiter` what separates the columns of a text.
    """

    columns: list[str]
    rows: Iterator[Row]
    raw: IO[bytes] | None
    size: int
    unmet: set[str] = field(default_factory=set)
    keys: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    delimiter: str = ""

    def position(self) -> int:
        """Bytes of the file read so far."""
        return self.size if self.raw is None or self.raw.closed else self.raw.tell()


@contextmanager
def binary(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Open a file; give the unpacked stream and the raw one below, which knows how far the reading is."""
    try:
        with path.open("rb") as raw:
            magic = raw.read(4)
            raw.seek(0)
            if magic == b"PK\x03\x04":
                with zipfile.ZipFile(raw) as archive, _unpacked(path, archive) as inside:
                    yield inside, raw
            else:
                yield (gzip.GzipFile(fileobj=raw) if magic[:2] == b"\x1f\x8b" else raw), raw  # type: ignore[misc]
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FileFault(f"{path.name}: the gzip file is damaged or cut off ({error})") from None
    except zipfile.BadZipFile as error:
        raise FileFault(f"{path.name}: the zip file cannot be read: unpack it ({error})") from None
    except OSError as error:
        raise FileFault(f"{path.name}: cannot be read ({error.strerror or error})") from None


def _unpacked(path: Path, archive: zipfile.ZipFile) -> IO[bytes]:
    try:
        return archive.open(zipped(path, archive))
    except (NotImplementedError, RuntimeError) as error:  # packed in a way that Python does not know, or with a password
        raise FileFault(f"{path.name}: the zip file cannot be read: unpack it ({error})") from None


def zipped(path: Path, archive: zipfile.ZipFile) -> str:
    """Return the name of the one file in an archive; raises FileFault when there are several."""
    names = [one for one in archive.namelist() if not one.endswith("/") and not one.startswith("__MACOSX/") and not one.startswith(".")]
    if len(names) != 1:
        raise FileFault(f"{path.name}: the zip file holds {len(names)} files: unpack it and give the one that is meant")
    return names[0]


def kind_of(path: Path) -> str:
    """Guess the format from the file's name: csv, tsv, jsonl, parquet, xml or xlsx; raises FileFault."""
    name = path.name.lower().removesuffix(".gz").removesuffix(".zip")
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
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".xlsb": "xlsx",
    ".xls": "xlsx",
    ".ods": "xlsx",
}


@contextmanager
def table(
    path: Path, *, delimiter: str | None = ",", encoding: str = "utf-8", repeated: bool = False, exact: bool = False
) -> Iterator[Opened]:
    """Open a delimited file with a header row; an empty file has no columns and no rows.

    Without a `delimiter` the header tells it (`,` `;` `|` or a tab), or a first line `sep=;`. Lines before the header that are empty or
    begin with # are passed over. With `repeated` a column may stand more than once; with `exact` a quote that closes nothing is a fault
    of its row instead of being dropped, and rows without any value are passed over.
    """
    with binary(path) as (stream, raw):
        lines = _Lines(path, _text(path, stream, encoding))
        try:
            head = lines.header(comments=delimiter is None)
            if delimiter is None:
                delimiter, head = delimiter_of(head, lines)
            lines.again([head] if head else [])
            tabbed = delimiter == "\t" and exact
            reader: Any = Tabbed(lines, lines.again) if tabbed else csv.reader(lines, delimiter=delimiter, strict=exact)
            header = [name.strip() for name in next(reader, [])]
        except (csv.Error, UnicodeError) as error:
            raise FileFault(f"{path.name}: the header cannot be read ({error})") from None
        twice = [name for name, count in Counter(header).items() if name and count > 1]
        if twice and not repeated:
            raise FileFault(f"{path.name}: the header names a column twice: {', '.join(sorted(twice))}")
        rows = _delimited(path, reader, len(header), lines.skipped, blank=exact)
        yield Opened(header, rows, raw, path.stat().st_size, delimiter=delimiter)


def delimiter_of(head: str, lines: "_Lines") -> tuple[str, str]:
    """Return what separates the columns of a header line, and that line; one that says `sep=;` is followed by the header."""
    told = head.strip('\ufeff\r\n "')
    if told.lower().startswith("sep=") and len(told) == 5:
        return told[4], lines.header(comments=True)
    bare = re.sub(r'"[^"]*"', "", head)
    return max(_DELIMITERS, key=bare.count) if any(mark in bare for mark in _DELIMITERS) else ",", head


class _Lines:
    """Lines of a text, none longer than `LARGEST_LINE`; the header can be looked at before it is read."""

    def __init__(self, path: Path, text: io.TextIOWrapper) -> None:
        self._name = path.name
        self._text = text
        self._again: list[str] = []
        self._read = 0
        self.skipped = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.pop() if self._again else self._text.readline(LARGEST_LINE)
        self._read += 1
        if not line:
            raise StopIteration
        if len(line) >= LARGEST_LINE and line[-1] not in "\r\n":
            raise FileFault(f"{self._name}: line {self._read} is longer than {LARGEST_LINE} characters; is a quote never closed?")
        return line

    def header(self, *, comments: bool) -> str:
        """Read on to the first line that says something."""
        for line in self:
            plain = line.strip("\ufeff\r\n\t ,;|")
            if plain and not (comments and plain.startswith(("#", '"#'))):
                self.skipped = self._read - 1
                return line
        return ""

    def again(self, lines: list[str]) -> None:
        """Give lines once more."""
        self._again += reversed(lines)
        self._read -= len(lines)


def _text(path: Path, stream: IO[bytes], encoding: str) -> io.TextIOWrapper:
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        # what a spreadsheet calls Unicode text begins with a mark that no UTF-8 can begin with
        encoding = "utf-16" if stream.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
        stream.seek(0)
    try:
        # bytes that are no text become lone surrogates, which a row's own check finds and names with its line
        return io.TextIOWrapper(stream, encoding=encoding, errors="surrogateescape", newline="")
    except LookupError:
        raise FileFault(f"{path.name}: unknown encoding {encoding}") from None


def _delimited(path: Path, reader: Any, width: int, skipped: int, *, blank: bool) -> Iterator[Row]:
    line = skipped + reader.line_num
    while True:
        begins = line + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            line = skipped + reader.line_num
            yield Row(begins, (), f"not readable: {error}")
            continue
        except UnicodeError as error:
            raise FileFault(f"{path.name}: wrong encoding near line {begins} ({error})") from None
        line = skipped + reader.line_num
        if not values or (blank and not any(value.strip() for value in values)):
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


csv.field_size_limit(LARGEST_FIELD)
