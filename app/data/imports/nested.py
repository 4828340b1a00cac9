"""Rows of JSON lines: names with dots reach into objects, and entries of a list are rows of their own."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.data.imports.files import Opened, Row, objects


@contextmanager
def json_rows(path: Path, columns: Sequence[str], whole: Sequence[str] = ()) -> Iterator[Opened]:
    """Open JSON lines as rows of the named columns; a dot in a name reaches into an object.

    Where a name leads to a list, each of its entries is a row of its own; lists of `whole` columns stay as they are.
    """
    with objects(path) as (found, opened):
        made = Opened(list(columns), iter(()), opened.raw, opened.size, set(columns))
        made.rows = JsonRows(made, columns, whole).rows(found)
        yield made


class JsonRows:
    """Makes rows of the named columns from objects; a line whose names lead to a list is as many rows as the list has entries."""

    def __init__(self, opened: Opened, columns: Sequence[str], whole: Sequence[str]) -> None:
        self._opened = opened
        self._columns = list(columns)
        self._paths = [name.split(".") for name in columns]
        self._whole = [name in set(whole) for name in columns]

    def rows(self, found: Iterable[tuple[int, Any, str | None]]) -> Iterator[Row]:
        """Return the rows of (line, object, fault)."""
        first = True
        for line, value, fault in found:
            if fault is not None:
                yield Row(line, (), fault)
                continue
            if first:
                self._opened.keys, first = list(value), False
            if self._opened.unmet:
                self._meet(value)
            yield from self._of(line, value)

    def _meet(self, value: Any) -> None:
        for name, path in zip(self._columns, self._paths, strict=True):
            if name in self._opened.unmet and _has(value, path):
                self._opened.unmet.discard(name)

    def _of(self, line: int, value: Any) -> Iterator[Row]:
        values = []
        lists: dict[str, tuple[list[Any], list[tuple[int, Sequence[str]]]]] = {}
        for place, path in enumerate(self._paths):
            depth, reached = _reach(value, path)
            if type(reached) is list and (depth < len(path) or not self._whole[place]):
                lists.setdefault(".".join(path[:depth]), (reached, []))[1].append((place, path[depth:]))
                reached = None
            values.append(reached)
        if not lists:
            yield Row(line, values)
            return
        if len(lists) > 1:
            yield Row(line, (), f"has lists under {' and '.join(sorted(lists))}: a mapping may reach into one")
            return
        ((entries, places),) = lists.values()
        for entry in entries or [None]:
            row = values.copy()
            for place, rest in places:
                row[place] = _reach(entry, rest)[1] if rest else entry
            yield Row(line, row)


def _reach(value: Any, path: Sequence[str]) -> tuple[int, Any]:
    """Follow names into objects; return how far it went, up to a list, and what is there."""
    for depth, name in enumerate(path):
        if type(value) is not dict:
            return depth, value if type(value) is list else None
        value = value.get(name)
    return len(path), value


def _has(value: Any, path: Sequence[str]) -> bool:
    for depth, name in enumerate(path):
        if type(value) is list:
            return not value or any(_has(one, path[depth:]) for one in value)
        if type(value) is not dict or name not in value:
            return False
        value = value[name]
    return True
