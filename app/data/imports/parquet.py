"""Rows of Parquet files; imported only by the commands that read such files."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from app.data.imports.files import LARGEST_FIELD, FileFault, Opened, Row

_ROWS_AT_ONCE = 10_000
_BYTES_AT_ONCE = 67_108_864
_LARGEST_GROUP = 1_073_741_824
_SHOWN = 20


@contextmanager
def parquet(path: Path, wanted: Sequence[str]) -> Iterator[Opened]:
    """Open the wanted columns of a Parquet file; a row with a value that cannot be read says so.

    Times of nanoseconds lose what is finer than a microsecond, bytes are read as UTF-8. Raises FileFault when it is no such file, a
    wanted column stands in it twice or none does, its values are too large, or pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise FileFault("Parquet files need pyarrow: install morsel[train]") from None
    try:
        raw = path.open("rb")
    except OSError as error:
        raise FileFault(f"{path.name}: cannot be read ({error.strerror or error})") from None
    with raw:
        try:
            # with a buffer, pages are read one after the other instead of a group's column at once
            file = pyarrow.parquet.ParquetFile(raw, buffer_size=1 << 20, pre_buffer=False)
            columns = _columns(path.name, file.schema_arrow.names, wanted)
            rows = _rows(path.name, file, columns, _at_once(path.name, file, columns))
        except (pyarrow.ArrowException, OSError) as error:
            raise FileFault(f"{path.name}: not a readable Parquet file ({error})") from None
        with file:
            yield Opened(columns, rows, raw, path.stat().st_size)


def _columns(file: str, names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    found = [name for name in names if name in set(wanted)]
    if twice := sorted(name for name, count in Counter(found).items() if count > 1):
        raise FileFault(f"{file}: the file names a column twice: {', '.join(twice)}")
    if not found:
        has = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
        raise FileFault(f"{file}: the file has no column {' or '.join(wanted)}; it has {has or 'none'}")
    return found


def _at_once(name: str, file: Any, columns: Sequence[str]) -> int:
    """Return how many rows fit into memory together; raises FileFault where not even one does, or a group is too large."""
    stems = tuple(f"{column}." for column in columns)
    paths = [file.schema.column(place).path for place in range(len(file.schema))]
    places = [place for place, path in enumerate(paths) if path in columns or path.startswith(stems)]
    mean = 1
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        for place in places:
            size, rows = group.column(place).total_uncompressed_size, max(1, group.num_rows)
            if size > _LARGEST_GROUP:
                raise FileFault(f"{name}: {paths[place]} takes {size} bytes in one row group: write smaller row groups")
            if size > rows * LARGEST_FIELD:
                raise FileFault(f"{name}: values of {paths[place]} are longer than {LARGEST_FIELD} bytes")
            mean = max(mean, size // rows)
    return max(1, min(_ROWS_AT_ONCE, _BYTES_AT_ONCE // mean))


def _rows(name: str, file: Any, columns: Sequence[str], at_once: int) -> Iterator[Row]:
    import pyarrow

    line = 0
    try:
        for part in file.iter_batches(batch_size=at_once, columns=list(columns)):
            faults: dict[int, str] = {}
            values = [_values(column, part.column(column), faults) for column in columns]
            for place, row in enumerate(zip(*values, strict=True)):
                line += 1
                yield Row(line, row, faults.get(place))
    except (pyarrow.ArrowException, OSError) as error:
        raise FileFault(f"{name}: not readable after row {line} ({error})") from None


def _values(name: str, found: Any, faults: dict[int, str]) -> list[Any]:
    """Return the values of a column; where one cannot be read it is None, and `faults` says why."""
    import pyarrow

    found = _readable(found)
    kind, long = found.type, set()
    if found.nbytes > LARGEST_FIELD:
        long = {place for place in range(len(found)) if found.slice(place, 1).nbytes > LARGEST_FIELD}
    if not long and _is_plain(kind):
        with suppress(ArithmeticError, ValueError, LookupError):  # where one of them cannot be read: each by itself
            return list(found.to_pylist())
    values: list[Any] = [None] * len(found)
    for place in range(len(found)):
        try:
            if place in long:
                faults.setdefault(place, f"{name}: longer than {LARGEST_FIELD} bytes")
            else:
                values[place] = _settled(found[place].as_py())
        except UnicodeDecodeError:
            faults.setdefault(place, f"{name}: not valid UTF-8")
        except (ArithmeticError, ValueError, LookupError, TypeError, pyarrow.ArrowException):
            faults.setdefault(place, f"{name}: the value cannot be read as {kind}: it is out of range, or of a zone that is not known")
    return values


def _readable(found: Any) -> Any:
    """Return a column without dictionary, and with times of microseconds at most."""
    import pyarrow
    from pyarrow import types

    if types.is_dictionary(found.type):
        found = found.dictionary_decode()
    kind = found.type
    if getattr(kind, "unit", "") != "ns":
        return found
    if types.is_timestamp(kind):
        return found.cast(pyarrow.timestamp("us", kind.tz), safe=False)
    return found.cast(pyarrow.time64("us") if types.is_time(kind) else pyarrow.duration("us"), safe=False)


def _is_plain(kind: Any) -> bool:
    from pyarrow import types

    checks = (types.is_string, types.is_large_string, types.is_integer, types.is_floating, types.is_boolean, types.is_timestamp)
    return any(check(kind) for check in (*checks, types.is_date, types.is_decimal, types.is_null))


def _settled(value: Any) -> Any:
    """Return a value as texts and numbers; raises UnicodeDecodeError."""
    if value is None or isinstance(value, (str, int, float, datetime)):
        return value
    if isinstance(value, (bytes, bytearray)):
        return value.decode()
    if isinstance(value, (list, tuple)):
        return [_settled(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _settled(one) for key, one in value.items()}
    return str(value)
