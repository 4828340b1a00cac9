"""Rows of Parquet files; imported only by the commands that read such files."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.data.files import FileFault, Opened, Row

_ROWS_AT_ONCE = 10_000


@contextmanager
def parquet(path: Path, wanted: Sequence[str]) -> Iterator[Opened]:
    """Open the wanted columns of a Parquet file; raises FileFault when it is none, or pyarrow is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise FileFault("Parquet files need pyarrow: install morsel[train]") from None
    try:
        with path.open("rb") as raw, pyarrow.parquet.ParquetFile(raw) as file:
            columns = [name for name in file.schema_arrow.names if name in set(wanted)]
            size = path.stat().st_size
            yield Opened(columns, _rows(file, columns), raw, size)
    except (pyarrow.ArrowException, OSError) as error:
        raise FileFault(f"{path.name}: not a readable Parquet file ({error})") from None


def _rows(file: Any, columns: Sequence[str]) -> Iterator[Row]:
    line = 0
    for part in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=list(columns)):
        values = [part.column(name).to_pylist() for name in columns] if columns else []
        for row in zip(*values, strict=True):
            line += 1
            yield Row(line, row)
