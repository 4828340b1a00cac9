"""`morsel facts`: the list of facts that conditions, formulas and templates can name."""

import csv
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from app.commands.context import DEFAULT, Context, Tenant, fail, show, with_database
from app.data.conditions.syntax import Wrong
from app.data.facts.domain import Fact, Motion, Ref, Subject, Type
from app.data.facts.entries import everything
from app.data.people.everyone import user_ids
from app.data.segments import exporting
from app.data.segments.exporting import Row
from app.data.segments.programs import programs
from app.decisions.segments.listing import fact_out

app = typer.Typer(no_args_is_help=True, help="What is known of people, items and the moment.")
_ABOUT = {
    Subject.PERSON: "People", Subject.ITEM: "Items", Subject.MOMENT: "The moment", Subject.REQUEST: "The request",
}  # fmt: skip
_HEAD = "| fact | type | what it says | from | changes with time |\n| --- | --- | --- | --- | --- |"
_MOTION = {Motion.STILL: "no", Motion.STEPS: "at known moments", Motion.STEADY: "always"}


@app.command("list")
def listing(markdown: Annotated[bool, typer.Option("--markdown", help="As the tables of docs/facts.md.")] = False) -> None:
    """Print every fact: its type, unit, what it says, what it comes from."""
    found = everything().by_name.values()
    if markdown:
        typer.echo(tables(found))
    else:
        show([fact_out(one).model_dump() for one in found])


def tables(facts: Iterable[Fact]) -> str:
    """Return the list of facts as Markdown, a table a subject."""
    rows: dict[Subject, list[str]] = {}
    for fact in facts:
        rows.setdefault(fact.subject, []).append(_row(fact))
    return "\n\n".join(f"### {_ABOUT[subject]}\n\n{_HEAD}\n" + "\n".join(found) for subject, found in rows.items())


def _row(fact: Fact) -> str:
    spelled = str(Ref(fact.name, fact.keys)) if fact.keys else fact.name
    windows = ", any window" if fact.windows else ""
    values = f" One of {', '.join(fact.values)}." if fact.values else ""
    unit = f", {fact.unit}" if fact.unit else ""
    return f"| `{spelled}`{windows} | {fact.type}{unit} | {fact.sentence}{values} | {fact.source} | {_MOTION[fact.motion]} |"


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="The Parquet file to write.")],
    facts: Annotated[
        str, typer.Option(help="Names of facts, comma-separated, as conditions spell them; default: all that need no key.")
    ] = "",
    moments: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="A CSV of user_id and at (ISO moment): each row as of its moment; default: everybody, now."
        ),
    ] = None,
    tenant: Tenant = DEFAULT,
) -> None:
    """Write facts of people to a Parquet file, as of now or of any moments: what a model is trained on."""
    wanted = _moments(moments) if moments else None

    async def work(context: Context) -> int:
        async with context.db.begin() as connection:
            program, _ = await programs(context.db).of(connection, context.tenant)
        every = (fact.name for fact in program.facts.by_name.values() if fact.subject is Subject.PERSON and not fact.key_needed)
        try:
            refs = exporting.refs(_split(facts) if facts else every, program.facts)
        except Wrong as error:
            fail(f"--facts: {error}")
        if wanted is not None:
            return await _write(
                file, refs, program.facts.by_name, exporting.rows(context.db, context.settings, context.tenant, refs, wanted)
            )

        async def everybody() -> AsyncIterator[list[Row]]:
            async for page in user_ids(context.db, context.tenant, 500):
                async for rows in exporting.rows(context.db, context.settings, context.tenant, refs, [(user, None) for user in page]):
                    yield rows

        return await _write(file, refs, program.facts.by_name, everybody())

    count = with_database(work, tenant)
    typer.echo(f"{file}: {count:,} rows")
    if not count:
        raise typer.Exit(1)


def _moments(path: Path) -> list[tuple[str, datetime | None]]:
    """Read a CSV of user ids and moments, or end with the line that cannot be read."""
    found: list[tuple[str, datetime | None]] = []
    with path.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines)
        if not {"user_id", "at"} <= set(reader.fieldnames or ()):
            fail(f"{path}: its columns must be user_id and at")
        for number, row in enumerate(reader, 2):
            try:
                at = datetime.fromisoformat(row["at"])
            except (ValueError, TypeError):
                fail(f"{path}, line {number}: {row['at']!r} is no ISO moment, such as 2026-11-01T12:00:00Z")
            found.append((row["user_id"], at if at.tzinfo else at.replace(tzinfo=UTC)))
    return found


def _split(text: str) -> list[str]:
    """Split names at commas that stand in no brackets."""
    found, depth = [""], 0
    for sign in text:
        depth += (sign == "[") - (sign == "]")
        if sign == "," and not depth:
            found.append("")
        else:
            found[-1] += sign
    return [one.strip() for one in found if one.strip()]


async def _write(file: Path, refs: Sequence[Ref], facts: dict[str, Fact], pages: AsyncIterator[list[Row]]) -> int:
    """Write pages of rows to a Parquet file; return how many rows there were."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        fail("Parquet needs the extra `train`: pip install 'morsel[train]'")
    kinds = {Type.NUMBER: pa.float64(), Type.FLAG: pa.bool_(), Type.TEXT: pa.string()}
    types = [kinds.get(facts[ref.name].type) for ref in refs]
    fields = [pa.field(str(ref), kind or pa.string()) for ref, kind in zip(refs, types, strict=True)]
    schema = pa.schema([pa.field("user_id", pa.string()), pa.field("at", pa.timestamp("us", "UTC")), *fields])
    count = 0
    with pq.ParquetWriter(file, schema) as writer:
        async for page in pages:
            columns: list[list[Any]] = [[row.user_id for row in page], [row.at for row in page]]
            for place, kind in enumerate(types):
                values = [row.values[place] for row in page]
                # what can be of any type stands as JSON
                columns.append(values if kind else [None if value is None else orjson.dumps(value).decode() for value in values])
            writer.write_table(pa.table(columns, schema=schema))
            count += len(page)
    return count
