"""Rows of a file as they stand in it, whatever its format: columns and texts, for looking and for handing back what was refused."""

import codecs
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from app.data.catalogue import feed_files
from app.data.catalogue.xml_feed import XmlFeed
from app.data.imports import files, sheets
from app.data.imports.files import FileFault
from app.data.uploads.domain import Options, What

_START_BYTES = 1_048_576
_DEEPEST, _MOST_COLUMNS = 6, 2_000
# tried in this order: a byte that stands for no letter in one of them rules it out
_CODE_PAGES = ("cp1252", "cp1250", "cp1251")


@dataclass(frozen=True)
class Raw:
    """A row as it stands: the line it begins on, its texts by column, and what is wrong with it."""

    line: int
    values: dict[str, str]
    fault: str = ""


def format_of(path: Path, what: What) -> str:
    """Tell the format of a file; raises FileFault for one that the assistant does not read."""
    kind = feed_files.kind_of(path)
    if kind == "parquet":
        raise FileFault(
            f"{path.name}: Parquet files go in by the command line: morsel import events FILE --mapping MAPPING --source SOURCE"
        )
    if what == "events" and kind in ("json", "jsonl"):
        return "jsonl"
    if what == "events" and kind == "xml":
        raise FileFault(f"{path.name}: events cannot be read from XML; save them as CSV or JSON lines")
    return kind


def encoding_of(path: Path) -> str:
    """Guess the encoding of a text: UTF-8 where it is, UTF-16 by its mark, else the code page of Western or Eastern Europe that fits."""
    with files.binary(path) as (stream, _):
        start = stream.read(_START_BYTES)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return max(_CODE_PAGES, key=lambda page: _likely(start, page))
    return "utf-8"


def _likely(start: bytes, page: str) -> float:
    """Return how much a text in a code page looks like words: letters beside letters count for it, signs within words against it."""
    text = start.decode(page, "replace")
    good = len(re.findall(r"(?<=[a-zA-Z])[äöüßéèêàâçñóíáúøåæÄÖÜÉłąęśćżźńčšžřěýůőű]|[äöüÄÖÜéèøåæłśżčšžř](?=[a-z])|[а-яё]{3,}", text))
    odd = (
        len(re.findall(r"(?<=[a-z])[A-ZÀ-ÞЀ-Я](?=[a-z])|[^\x00-\x7f\w\s€£¥°§«»„“”‘’–—…·•®©™²³½¼¾ªº´¨¿¡×]", text)) + text.count("\ufffd") * 5
    )
    return good - 2 * odd


def delimiter_of(path: Path, encoding: str) -> str:
    """Return what separates the columns of a text, by its header; raises FileFault."""
    with files.table(path, delimiter=None, encoding=encoding, repeated=True) as opened:
        return opened.delimiter if len(opened.columns) > 1 else ""


@contextmanager
def rows(path: Path, what: What, options: Options) -> Iterator[Iterator[Raw]]:
    """Open a file and give its rows as they stand in it; raises FileFault."""
    kind = format_of(path, what) if options.format == "auto" else options.format
    if kind in ("csv", "tsv", "xlsx"):
        mark = options.mark or ("\t" if kind == "tsv" else None)
        exact = what == "items"
        with (
            sheets.sheet(path)
            if kind == "xlsx"
            else files.table(path, delimiter=mark or (None if exact else ","), encoding=options.encoding, repeated=exact, exact=exact)
        ) as opened:
            yield _delimited(opened.columns, opened.rows)
    elif kind == "xml":
        with files.binary(path) as (stream, _):
            yield (Raw(line, flat(value), fault or "") for line, value, fault in XmlFeed(path.name).items(stream))
    else:
        with feed_files.objects(path) if what == "items" else files.objects(path) as (found, _):
            yield (Raw(line, flat(value or {}, deep=what == "events"), fault or "") for line, value, fault in found)


def _delimited(columns: Sequence[str], found: Iterator[files.Row]) -> Iterator[Raw]:
    for row in found:
        values: dict[str, str] = {}
        for place, value in enumerate(row.values):
            name = columns[place] if place < len(columns) else f"({place + 1})"
            if str(value).strip() or name not in values:
                values[name] = f"{values[name]}, {value}" if values.get(name) else str(value)
        yield Raw(row.line, values, row.fault or "")


def flat(value: Any, prefix: str = "", *, deep: bool = False, level: int = 0) -> dict[str, str]:
    """Return an object's values as texts; `deep` names what lies inside with dots, as mappings of events do, of a list its first entry."""
    found: dict[str, str] = {}
    for name, one in value.items() if isinstance(value, dict) else ():
        if len(found) >= _MOST_COLUMNS:
            break
        if deep and level < _DEEPEST and isinstance(one, list) and one and isinstance(one[0], dict):
            one = one[0]
        if deep and level < _DEEPEST and isinstance(one, dict):
            found |= flat(one, f"{prefix}{name}.", deep=deep, level=level + 1)
        else:
            found[f"{prefix}{name}"] = text(one)
    return found


def text(value: Any) -> str:
    """Return a value as somebody would write it."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else orjson.dumps(value, default=str).decode()
