"""Opens files of events as rows of the columns that a mapping wants; Parquet, which needs a library of its own, is opened elsewhere."""

from contextlib import AbstractContextManager
from pathlib import Path

from app.data.events.formats.mapping import Mapping
from app.data.imports import files, nested, sheets
from app.data.imports.files import FileFault, Opened


def opened(path: Path, mapping: Mapping, kind: str) -> AbstractContextManager[Opened]:
    """Open a file of the kind jsonl, csv, tsv or xlsx; raises FileFault."""
    if kind == "jsonl":
        return nested.json_rows(path, mapping.wanted(), mapping.keep)
    if kind in ("csv", "tsv"):
        return files.table(path, delimiter="\t" if kind == "tsv" else mapping.delimiter, encoding=mapping.encoding)
    if kind == "xlsx":
        return sheets.sheet(path)
    raise FileFault(f"{path.name}: events cannot be read from {kind}")
