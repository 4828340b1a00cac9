"""The first sheet of a spreadsheet (XLSX, XLS, ODS) as rows of texts; numbers and dates as the cells hold them, not as they are shown."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from app.data.imports.files import LARGEST_FIELD, FileFault, Opened, Row

# a sheet is read as a whole: its cells take about as much memory as its text, unpacked
_LARGEST = 600_000_000
_MOST_COLUMNS = 10_000


@contextmanager
def sheet(path: Path) -> Iterator[Opened]:
    """Open the first sheet; its first row that says something is the header. An empty sheet has no columns. Raises FileFault."""
    # imported on use: only those who hand in spreadsheets need it
    from python_calamine import CalamineError, load_workbook

    _check_size(path)
    try:
        book = load_workbook(str(path))
        first = next((one.name for one in book.sheets_metadata if "WorkSheet" in str(one.typ)), None)
        if first is None:
            raise FileFault(f"{path.name}: the spreadsheet has no sheet")
        found = book.get_sheet_by_name(first)
        rows = enumerate(found.iter_rows(), (found.start or (0, 0))[0] + 1)
        header: list[str] = []
        for _, cells in rows:
            header = [cell(value).strip() for value in cells]
            if any(header):
                break
    except (CalamineError, OSError, ValueError) as error:
        raise FileFault(f"{path.name}: not a spreadsheet that can be read ({str(error)[:200]}); save it as CSV") from None
    width = max((place + 1 for place, name in enumerate(header) if name), default=0)
    if width > _MOST_COLUMNS:
        raise FileFault(f"{path.name}: the header has {width} columns, more than {_MOST_COLUMNS}")
    notes = [] if len(book.sheet_names) == 1 else [f"only the first sheet, {first!r}, was read"]
    yield Opened(header[:width], _rows(rows, width), None, path.stat().st_size, notes=notes)


def _check_size(path: Path) -> None:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if sum(one.file_size for one in archive.infolist()) > _LARGEST:
                    raise FileFault(f"{path.name}: the spreadsheet is larger than {_LARGEST // 1_000_000} MB, unpacked: save it as CSV")
    except zipfile.BadZipFile as error:
        raise FileFault(f"{path.name}: the spreadsheet is damaged ({error})") from None
    except OSError as error:
        raise FileFault(f"{path.name}: cannot be read ({error.strerror or error})") from None


def _rows(rows: Iterator[tuple[int, list[Any]]], width: int) -> Iterator[Row]:
    for line, cells in rows:
        values = [cell(value) for value in cells[:width]]
        values += [""] * (width - len(values))
        if not any(values):
            continue
        long = any(len(value) > LARGEST_FIELD for value in values)
        yield Row(line, values, f"a cell is longer than {LARGEST_FIELD} characters" if long else None)


def cell(value: Any) -> str:
    """Return a cell as a text: whole numbers without places, days and moments in ISO 8601, `true` and `false`."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        # 0.1 + 0.2 is 0.3 to whoever typed it; a number is never thousands, which three places alone may be taken for
        text = repr(float(f"{value:.15g}"))
        return f"{text}0" if len(text.partition(".")[2]) == 3 else text
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return "" if value is None else str(value)
