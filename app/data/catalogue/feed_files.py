"""Feeds as rows: delimited text and spreadsheets by their headers, JSON, Google's product feed in XML, and the exports of shop systems."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.data.catalogue import shops
from app.data.catalogue.xml_feed import XmlFeed
from app.data.imports import files, json_stream, sheets
from app.data.imports.files import FileFault, Opened

_START_BYTES = 65_536
_MOST_COLUMNS = 10_000
_IDS = ("product_id", "productid", "item_id", "itemid", "sku", "product_sku", "stockcode", "article_number", "article", "code", "offer_id")
# how names of columns with numbers of articles end, in the languages of most exports; the likeliest first
_ID_ENDS = ("_id", "sku", "_number", "nummer", "_code", "_no", "_nr", "numero", "codigo", "reference", "referencia")
FORMATS = ("auto", "csv", "tsv", "json", "jsonl", "xml", "xlsx")


@dataclass(slots=True)
class FeedRow:
    """One row of a feed: the line it begins on, and its document or what is wrong with it; `passed` tells why it is no item."""

    line: int
    document: dict[str, Any]
    fault: str | None = None
    passed: str = ""


@dataclass
class Feed:
    """An open feed: its rows, how far the reading is, and what was assumed of it."""

    rows: Iterator[FeedRow]
    opened: Opened
    notes: list[str] = field(default_factory=list)


@contextmanager
def feed(path: Path, kind: str, *, columns: Mapping[str, str], encoding: str, delimiter: str | None = None) -> Iterator[Feed]:
    """Open a feed of a kind of `FORMATS`. `columns` gives the field name of columns that are called otherwise in the file."""
    known = kind in ("", "auto")
    kind = kind_of(path) if known else kind
    if kind in ("csv", "tsv", "xlsx"):
        mark = delimiter or ("\t" if kind == "tsv" else None)
        with (
            sheets.sheet(path) if kind == "xlsx" else files.table(path, delimiter=mark, encoding=encoding, repeated=True, exact=True)
        ) as opened:
            if len(opened.columns) > _MOST_COLUMNS:
                raise FileFault(
                    f"{path.name}: the header has {len(opened.columns)} columns, more than {_MOST_COLUMNS}: is --delimiter right?"
                )
            named = set(columns.values())
            # a column that was named goes before one that is called so by itself
            fields = [columns.get(name, "" if spelled(name) in named else spelled(name)) for name in opened.columns]
            yield _table(path.name, opened, fields, known=known and "id" not in named)
    elif kind in ("json", "jsonl"):
        with objects(path) as (found, opened):
            yield Feed(_json_rows(found, columns), opened)
    elif kind == "xml":
        with files.binary(path) as (stream, raw):
            rows = (FeedRow(line, _renamed(value, columns), fault) for line, value, fault in XmlFeed(path.name).items(stream))
            yield Feed(rows, Opened([], iter(()), raw, path.stat().st_size))
    else:
        raise FileFault(f"{path.name}: items cannot be read from {kind}; give one of {', '.join(FORMATS)}")


def kind_of(path: Path) -> str:
    """Tell the format from the name, else from how the file begins."""
    try:
        kind = files.kind_of(path)
    except FileFault:
        kind = ""
    if kind and not path.name.lower().endswith((".txt", ".txt.gz", ".txt.zip")):
        return kind
    with files.binary(path) as (stream, _):
        start = stream.read(_START_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"<"):
        return "xml"
    if start.startswith((b"{", b"[")):
        return "json"
    return "tsv" if b"\t" in start.partition(b"\n")[0] else "csv"


@contextmanager
def objects(path: Path) -> Iterator[tuple[Iterator[tuple[int, Any, str | None]], Opened]]:
    """Open JSON of any layout; gives (line, object, fault)."""
    with files.binary(path) as (stream, _):
        one = json_stream.looks_like_one(stream.read(_START_BYTES))
    if not one:
        with files.objects(path) as lines:
            yield lines
        return
    with files.binary(path) as (stream, raw):
        values = json_stream.documents(path.name, stream)
        found = ((line, value, None) if isinstance(value, dict) else (line, None, "not a JSON object") for line, value in values)
        yield found, Opened([], iter(()), raw, path.stat().st_size)


def spelled(name: str) -> str:
    """Spell a header as a field: `g:Image Link` is `image_link`; a dotted name (`locales.de.title`) stays."""
    return re.sub(r"[\s\-]+", "_", name.strip().lower()).removeprefix("g:")


def _renamed(document: dict[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    return {columns.get(name, name): value for name, value in document.items()} if columns else document


def _json_rows(found: Iterator[tuple[int, Any, str | None]], columns: Mapping[str, str]) -> Iterator[FeedRow]:
    for line, value, fault in found:
        items = shops.documents_of(value) if value and not columns else None
        if items is None:
            yield FeedRow(line, _renamed(value, columns) if value else {}, fault)
        else:
            yield from (FeedRow(line, item) for item in items)


def nearest_id(fields: Iterator[str] | list[str]) -> str:
    """Return the field that most likely holds the ids; '' when none does."""
    known = {spelled(name): name for name in fields}
    near = next((name for name in _IDS if name in known), "")
    return known.get(near or next((name for end in _ID_ENDS for name in known if name.endswith(end)), ""), "")


def _table(name: str, opened: Opened, fields: list[str], *, known: bool) -> Feed:
    shop = shops.reader_of(fields) if known and ("id" not in fields or "regular_price" in fields) else None
    if shop is None and fields and "id" not in fields:
        near, has = nearest_id(opened.columns), ", ".join(opened.columns[:12])[:300]
        hint = f"the file has {near}; use --column {near!r}=id" if near else f"it has {has}; --column THEIRS=id says which holds the ids"
        raise FileFault(f"{name}: there is no column id: {hint}")
    _paths(name, fields)
    if shop is None:
        return Feed(_plain(opened, fields), opened, opened.notes)
    return Feed(_exported(opened, fields, shop[1]), opened, [f"read as an export of {shop[0]}", *opened.notes])


def _paths(name: str, fields: list[str]) -> None:
    """Refuse headers of which one is a text and another a part of it: `locales` and `locales.de.title`."""
    whole = set(fields)
    for one in whole:
        parts = one.split(".") if one.startswith("locales.") else []
        inside = next((".".join(parts[:count]) for count in range(1, len(parts)) if ".".join(parts[:count]) in whole), "")
        if inside or len(parts) == 2 or "" in parts:
            raise FileFault(f"{name}: the column {one[:60]} and {inside or 'its name'} cannot both be: write locales.de.title")


def _plain(opened: Opened, fields: list[str]) -> Iterator[FeedRow]:
    paths = [(one.split(".") if one.startswith("locales.") else [one]) for one in fields]
    for row in opened.rows:
        if row.fault is not None:
            yield FeedRow(row.line, {}, row.fault)
            continue
        document: dict[str, Any] = {}
        for path, value in zip(paths, row.values, strict=True):
            if not (value := value.strip()):
                continue
            if len(path) == 1 and path[0] not in document:
                document[path[0]] = value
            elif path[0]:
                _put(document, path, value)
        document.pop("", None)
        yield FeedRow(row.line, document)


def _exported(opened: Opened, fields: list[str], read: shops.Reader) -> Iterator[FeedRow]:
    for row in opened.rows:
        if row.fault is not None:
            yield FeedRow(row.line, {}, row.fault)
            continue
        item = read(dict(zip(fields, row.values, strict=True)))
        yield FeedRow(row.line, {}, passed=item) if isinstance(item, str) else FeedRow(row.line, item)


def _put(document: dict[str, Any], path: list[str], value: str) -> None:
    for name in path[:-1]:
        document = document.setdefault(name, {})
    before = document.get(path[-1])
    document[path[-1]] = value if before is None else [*before, value] if isinstance(before, list) else [before, value]
