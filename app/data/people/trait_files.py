"""`morsel people import`: traits from files, a row a person, each bad row told with its line and reason."""

import asyncio
import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from app.access import audit
from app.core.db import Database
from app.core.settings import Settings
from app.data import outbox
from app.data.catalogue.feed_files import kind_of, objects
from app.data.identity import store as identities
from app.data.identity import told, watched
from app.data.identity.domain import Identity, email_identity, id_fault, identity_of
from app.data.identity.told import Said
from app.data.identity.traits import FILE, TraitType, flattened, left_out, micros
from app.data.identity.vault import DataKeys
from app.data.imports import files, runs, sheets
from app.data.imports.files import FileFault, Opened
from app.data.imports.readahead import Stretches, ahead
from app.data.imports.report import Progress, Report

CHUNK_ROWS = 1_000
EMAIL = "email"
"""Rows may be named by an e-mail address, of which the hash alone is kept."""
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?").fullmatch
_FLAGS = {"true": True, "false": False}
_WITHDREW = "the person withdrew consent"


@dataclass(frozen=True)
class Form:
    """How files are read: the column of ids and what ids they are, the moment of which they tell, columns that are text in any case."""

    column: str = "user_id"
    by: str = "user_id"
    as_of: datetime | None = None
    text: Collection[str] = ()
    format: str = ""
    encoding: str = "utf-8"
    delimiter: str = ""


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    values: dict[str, Any]
    fault: str = ""


@dataclass
class _Chunk:
    rows: list[_Row] = field(default_factory=list)
    position: int = 0


# long: the stages of one import share its counts
async def import_traits(
    db: Database, settings: Settings, tenant: int, paths: Sequence[Path], form: Form, *,
    who: str = "morsel", progress: Callable[[Progress], None] | None = None,
) -> Report:  # fmt: skip
    """Import files of people's traits and return the report; a person who is not known yet is created.

    Of several rows of one person the last counts. What cannot be kept of a row is told in `warnings`, the rest of it lands. Raises
    FileFault when a file cannot be read; what landed before stays.
    """
    began, report = time.monotonic(), Report()
    now = datetime.now(UTC)
    at = micros(min(form.as_of or now, now))
    run = report.run_no = await runs.begin(db, tenant, "traits", ", ".join(path.name for path in paths))
    bytes_all, before = sum(path.stat().st_size for path in paths if path.exists()), 0
    try:
        for path in paths:
            types = await _types(path, form, report)
            with _opened(path, form) as (rows, opened):
                report.assumed += [f"{path.name}: {note}" for note in opened.notes]
                read = partial(_chunk, Stretches(rows), opened, types)
                async with aclosing(ahead(read)) as chunks:
                    async for chunk in chunks:
                        async with db.begin() as connection:
                            await _land(connection, settings, tenant, path.name, chunk.rows, form, at + report.read, report)
                        if progress:
                            progress(Progress(report.read, before + chunk.position, bytes_all))
            before += path.stat().st_size
        async with db.begin() as connection:
            note = f"{report.landed} of {report.read} rows of {', '.join(path.name for path in paths)}"
            await audit.record(connection, tenant, who, "import traits", watched.KIND, watched.EVERYBODY, note=note[:200])
    except FileFault as fault:
        report.fault = str(fault)
        raise
    finally:
        report.seconds = time.monotonic() - began
        await runs.finish(db, tenant, run, report)
    return report


async def _land(
    connection: AsyncConnection, settings: Settings, tenant: int, file: str, rows: Sequence[_Row], form: Form, at: int, report: Report
) -> None:  # fmt: skip
    """Store a chunk of rows and count what became of each; the rows of a file are told one microsecond after the other."""
    found: list[tuple[_Row, Identity, dict[str, Any], int]] = []
    for place, row in enumerate(rows):
        report.read += 1
        identity, fault = _named(row, form)
        if fault or identity is None:
            report.refuse(file, row.line, fault)
            continue
        values, faults = flattened({name: value for name, value in row.values.items() if name != form.column})
        for name, why in faults.items():
            report.warnings[left_out(name, why)] += 1
        if values:
            found.append((row, identity, values, at + place))
        else:
            report.refuse(file, row.line, "no trait of the row can be kept" if faults else "the row tells no trait")
    people = await identities.resolve(connection, tenant, {one[1] for one in found}, DataKeys(settings)) if found else {}
    said: list[Said] = []
    for row, identity, values, moment in found:
        if people[identity].consent is False:
            report.refuse(file, row.line, _WITHDREW)
            continue
        report.landed += 1
        said += [Said(people[identity].person_no, name, value, moment) for name, value in values.items()]
    for place, why in (await told.add(connection, tenant, FILE, said)).items():
        report.warnings[left_out(said[place].name, why)] += 1
    await outbox.post_many(connection, tenant, "traits", sorted({one.person_no for one in said}))


def _named(row: _Row, form: Form) -> tuple[Identity | None, str]:
    """Return whose a row is, or why it can be nobody's."""
    if row.fault:
        return None, row.fault
    value = row.values.get(form.column)
    if value is None or value == "":
        return None, f"{form.column} is missing"
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None, f"{form.column} is no id"
    text = str(value).strip()
    if form.by == EMAIL:
        found = email_identity(text)
        return found, "" if found else f"{form.column} is no e-mail address"
    fault = id_fault(text)
    return (None, f"{form.column} {fault}") if fault else (identity_of(text, form.by), "")


def _chunk(rows: Stretches[_Row], opened: Opened, types: dict[str, TraitType]) -> _Chunk | None:
    found = rows.take(CHUNK_ROWS)
    if not found:
        return None
    return _Chunk([_Row(row.line, _read(row.values, types), row.fault) for row in found] if types else found, opened.position())


def _read(values: dict[str, Any], types: dict[str, TraitType]) -> dict[str, Any]:
    """Read the texts of a row by the types of their columns; an empty cell tells nothing."""
    return {name: _cell(value, types[name]) if name in types else value for name, value in values.items() if value != ""}


def _cell(text: str, type: TraitType) -> Any:
    if type is TraitType.NUMBER:
        return orjson.loads(text)
    return _FLAGS[text.lower()] if type is TraitType.FLAG else text


async def _types(path: Path, form: Form, report: Report) -> dict[str, TraitType]:
    """Read a table once to see of which columns every cell is a number, or true or false; all others are texts, or moments."""
    types: dict[str, TraitType] = {}
    if _kind(path, form) == "json":
        return types
    with _opened(path, form) as (rows, opened):
        held = {name: {TraitType.NUMBER, TraitType.FLAG} for name in opened.columns if name != form.column and name not in form.text}
        stretches, empty = Stretches(rows), set(held)
        while chunk := await asyncio.to_thread(stretches.take, 20 * CHUNK_ROWS):
            for row in chunk:
                if row.fault:
                    continue
                for name, value in row.values.items():
                    if value and name in held:
                        empty.discard(name)
                        held[name] &= {TraitType.NUMBER} if _NUMBER(value) else {TraitType.FLAG} if value.lower() in _FLAGS else set()
    types = {name: next(iter(may)) for name, may in held.items() if may and name not in empty}
    for type, words in ((TraitType.NUMBER, "numbers"), (TraitType.FLAG, "flags")):
        if named := [name for name, one in types.items() if one is type]:
            report.assumed.append(f"{path.name}: {words} in {', '.join(named)}; --text COLUMN keeps one as text")
    return types


def _kind(path: Path, form: Form) -> str:
    kind = form.format or kind_of(path)
    if kind in ("json", "jsonl"):
        return "json"
    if kind not in ("csv", "tsv", "xlsx"):
        raise FileFault(f"{path.name}: traits cannot be read from {kind}; give csv, tsv, jsonl or xlsx")
    return kind


@contextmanager
def _opened(path: Path, form: Form) -> Iterator[tuple[Iterator[_Row], Opened]]:
    """Open a file and give its rows; raises FileFault, also where no column holds ids."""
    kind = _kind(path, form)
    if kind == "json":
        with objects(path) as (found, opened):
            yield (_Row(line, value or {}, fault or "") for line, value, fault in found), opened
        return
    mark = form.delimiter or ("\t" if kind == "tsv" else None)
    with sheets.sheet(path) if kind == "xlsx" else files.table(path, delimiter=mark, encoding=form.encoding, exact=True) as opened:
        if form.column not in opened.columns:
            has = ", ".join(opened.columns[:12])[:300] or "none"
            raise FileFault(f"{path.name}: there is no column {form.column}; it has {has}: --id COLUMN says which holds the ids")
        yield (_Row(row.line, _texts(opened.columns, row.values), row.fault or "") for row in opened.rows), opened


def _texts(columns: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    return {name: value.strip() if isinstance(value, str) else str(value) for name, value in zip(columns, values, strict=False) if name}
