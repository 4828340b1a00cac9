"""Feeds as rows: CSV and TSV by their headers, JSON lines, and Google's product feed in XML (RSS and Atom)."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from xml.parsers import expat

from app.data import files
from app.data.files import FileFault, Opened

_ROOTS = frozenset({"item", "entry"})
_READ_BYTES = 65_536
_DEEPEST = 30
_LARGEST_ITEM = 4_194_304


@dataclass(slots=True)
class FeedRow:
    """One row of a feed: the line it begins on, and its document or what is wrong with it."""

    line: int
    document: dict[str, Any]
    fault: str | None = None


@contextmanager
def feed(path: Path, kind: str, *, columns: Mapping[str, str], encoding: str) -> Iterator[tuple[Iterator[FeedRow], Opened]]:
    """Open a feed. `columns` gives the field name of columns that are called otherwise in the file."""
    if kind in ("csv", "tsv"):
        with files.table(path, delimiter="\t" if kind == "tsv" else ",", encoding=encoding) as opened:
            yield _table(opened, [columns.get(name, _field(name)) for name in opened.columns]), opened
    elif kind == "jsonl":
        with files.objects(path) as (found, opened):
            yield (FeedRow(line, _renamed(value, columns) if value else {}, fault) for line, value, fault in found), opened
    elif kind == "xml":
        with files.binary(path) as (stream, raw):
            yield _Xml(path.name, columns).rows(stream), Opened([], iter(()), raw, path.stat().st_size)
    else:
        raise FileFault(f"{path.name}: items cannot be read from {kind}")


def _field(name: str) -> str:
    """Spell a header as a field: `g:Image Link` is `image_link`; a dotted name (`locales.de.title`) stays."""
    return re.sub(r"[\s\-]+", "_", name.strip().lower()).removeprefix("g:")


def _renamed(document: dict[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    return {columns.get(name, name): value for name, value in document.items()} if columns else document


def _table(opened: Opened, fields: list[str]) -> Iterator[FeedRow]:
    paths = [(field.split(".") if field.startswith("locales.") else [field]) for field in fields]
    for row in opened.rows:
        if row.fault is not None:
            yield FeedRow(row.line, {}, row.fault)
            continue
        document: dict[str, Any] = {}
        for path, value in zip(paths, row.values, strict=True):
            if path[0] and value.strip():
                _put(document, path, value.strip())
        yield FeedRow(row.line, document)


def _put(document: dict[str, Any], path: list[str], value: str) -> None:
    for name in path[:-1]:
        document = document.setdefault(name, {})
    document[path[-1]] = value


class _Xml:
    """Collects the items of an XML feed as the parser meets them. A document type is refused before it can declare entities."""

    def __init__(self, name: str, columns: Mapping[str, str]) -> None:
        self._name = name
        self._columns = columns
        self._done: list[FeedRow] = []
        self._open: list[tuple[str, dict[str, Any], list[str]]] = []
        self._line = 0
        self._size = 0
        self._fault: str | None = None
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def rows(self, stream: IO[bytes]) -> Iterator[FeedRow]:
        """Parse the stream and give its items; raises FileFault at the first place that is not well-formed."""
        while True:
            part = stream.read(_READ_BYTES)
            try:
                self._parser.Parse(part, not part)
            except (expat.ExpatError, ValueError, LookupError) as error:
                yield from self._take()
                raise FileFault(f"{self._name}: not well-formed XML near line {self._parser.CurrentLineNumber} ({error})") from None
            yield from self._take()
            if not part:
                return

    def _take(self) -> list[FeedRow]:
        done, self._done = self._done, []
        return done

    def _doctype(self, *_: Any) -> None:
        raise FileFault(f"{self._name}: a feed must not have a document type (<!DOCTYPE>)")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rsplit(" ", 1)[-1]
        if not self._open:
            if local not in _ROOTS:
                return
            self._line, self._size, self._fault = self._parser.CurrentLineNumber, 0, None
        elif len(self._open) > _DEEPEST:
            raise FileFault(f"{self._name}: nested deeper than {_DEEPEST} levels near line {self._parser.CurrentLineNumber}")
        values: dict[str, Any] = {}
        if local == "link" and "href" in attributes:
            values["href"] = attributes["href"]
        self._open.append((local, values, []))

    def _text(self, text: str) -> None:
        if not self._open:
            return
        self._size += len(text)
        if self._size > _LARGEST_ITEM:
            self._fault = f"the item is longer than {_LARGEST_ITEM} characters"
        else:
            self._open[-1][2].append(text)

    def _end(self, name: str) -> None:
        if not self._open:
            return
        local, values, texts = self._open.pop()
        if not self._open:
            fields = {self._columns.get(key, key): value for key, value in values.items()}
            self._done.append(FeedRow(self._line, fields, self._fault))
            return
        text = "".join(texts).strip()
        value: Any = text or values.get("href", "") if set(values) <= {"href"} else values
        if value == "":
            return
        parent = self._open[-1][1]
        if local not in parent:
            parent[local] = value
        elif isinstance(parent[local], list):
            parent[local].append(value)
        else:
            parent[local] = [parent[local], value]
