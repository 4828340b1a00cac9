"""SQL of uploads and of mappings that were kept."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import Database
from app.data.uploads.domain import Options, What

_COLUMNS = (
    "upload_no, what, file_name, bytes, who, status, options::text, created_at, rows_read, bytes_done, "
    "run_no, refused_kept, tries, fault, notes"
)


@dataclass(frozen=True)
class Upload:
    """A file that was handed in."""

    tenant: int
    upload_no: int
    what: What
    file_name: str
    bytes: int
    who: str
    status: Any
    options: Options
    created_at: datetime
    rows_read: int
    bytes_done: int
    run_no: int | None
    refused_kept: int
    tries: int
    fault: str
    notes: list[str]

    @classmethod
    def of(cls, tenant: int, row: Any) -> "Upload":
        """Read a row."""
        values = dict(zip((name.partition(":")[0] for name in _COLUMNS.split(", ")), row, strict=True))
        return cls(tenant=tenant, **{**values, "options": Options.model_validate(orjson.loads(values["options"]))})


async def add(db: Database, tenant: int, what: What, file_name: str, size: int, who: str) -> int:
    """Add an upload and return its number."""
    async with db.begin() as connection:
        number = await connection.scalar(
            text(
                "insert into upload (tenant, what, file_name, bytes, who) values (:tenant, :what, :name, :bytes, :who) returning upload_no"
            ),
            {"tenant": tenant, "what": what, "name": file_name, "bytes": size, "who": who},
        )
    assert number is not None
    return int(number)


async def get(db: Database, tenant: int, upload_no: int) -> Upload | None:
    """Return an upload; None where there is none of this number."""
    rows = await db.rows(f"select {_COLUMNS} from upload where tenant = :tenant and upload_no = :no", tenant=tenant, no=upload_no)
    return Upload.of(tenant, rows[0]) if rows else None


async def of_runs(db: Database, tenant: int, run_nos: list[int]) -> dict[int, int]:
    """Return the uploads of runs."""
    rows = await db.rows("select run_no, upload_no from upload where tenant = :tenant and run_no = any(:runs)", tenant=tenant, runs=run_nos)
    return {int(run): int(upload) for run, upload in rows}


async def keep_options(db: Database, tenant: int, upload_no: int, options: Options, notes: list[str] | None = None) -> None:
    """Remember how a file is to be read, and what was noted of it, as long as it was not imported."""
    await db.run(
        "update upload set options = cast(:options as json), notes = coalesce(cast(:notes as text[]), notes) "
        "where tenant = :tenant and upload_no = :no and status = 'staged'",
        tenant=tenant,
        no=upload_no,
        options=options.model_dump_json(),
        notes=notes,
    )


async def await_turn(connection: AsyncConnection, tenant: int, upload_no: int, options: Options) -> bool:
    """Let the worker import a file; False where it is no longer staged."""
    done = await connection.execute(
        text(
            "update upload set options = cast(:options as json), status = 'waiting', fault = '' "
            "where tenant = :tenant and upload_no = :no and status = 'staged'"
        ),
        {"tenant": tenant, "no": upload_no, "options": options.model_dump_json()},
    )
    return bool(done.rowcount)


async def next_waiting(db: Database) -> Upload | None:
    """Take the oldest upload that waits, or whose import was broken off; only the worker that leads may ask."""
    async with db.begin() as connection:
        rows = (
            await connection.execute(
                text(
                    "update upload u set status = 'running', started_at = now(), tries = tries + 1 from ("
                    "select tenant, upload_no from upload where status in ('waiting', 'running') order by upload_no limit 1"
                    ") o where u.tenant = o.tenant and u.upload_no = o.upload_no "
                    f"returning u.tenant, {', '.join(f'u.{name}' for name in _COLUMNS.split(', '))}"
                )
            )
        ).all()
    return Upload.of(rows[0][0], rows[0][1:]) if rows else None


async def progress(db: Database, tenant: int, upload_no: int, rows: int, done: int, run_no: int | None) -> None:
    """Say how far an import is."""
    await db.run(
        "update upload set rows_read = :rows, bytes_done = :done, run_no = coalesce(:run, run_no) "
        "where tenant = :tenant and upload_no = :no",
        tenant=tenant,
        no=upload_no,
        rows=rows,
        done=done,
        run=run_no,
    )


async def finish(db: Database, tenant: int, upload_no: int, status: str, fault: str, rows: int, run_no: int | None, refused: int) -> None:
    """Say how an import ended."""
    await db.run(
        "update upload set status = :status, fault = :fault, rows_read = :rows, bytes_done = bytes, run_no = coalesce(:run, run_no), "
        "refused_kept = :refused where tenant = :tenant and upload_no = :no",
        tenant=tenant,
        no=upload_no,
        status=status,
        fault=fault[:2000],
        rows=rows,
        run=run_no,
        refused=refused,
    )


async def forget_old(db: Database) -> list[tuple[int, int]]:
    """Forget files staged a day ago and imports of a month ago; return those whose files are no longer needed."""
    await db.run(
        "delete from upload where (status = 'staged' and created_at < now() - interval '1 day') or created_at < now() - interval '30 days'"
    )
    kept = await db.rows(
        "select tenant, upload_no from upload where created_at >= now() - interval '1 day' or status in ('waiting', 'running')"
    )
    await db.run("update upload set refused_kept = 0 where refused_kept > 0 and created_at < now() - interval '1 day'")
    return [(tenant, number) for tenant, number in kept]


async def saved(db: Database, tenant: int) -> list[tuple[What, str, Options, datetime]]:
    """Return all mappings that were kept, by name."""
    rows = await db.rows(
        "select what, name, options::text, saved_at from import_mapping where tenant = :tenant order by what, name", tenant=tenant
    )
    return [(what, name, Options.model_validate(orjson.loads(options)), at) for what, name, options, at in rows]


async def save(connection: AsyncConnection, tenant: int, what: What, name: str, options: Options) -> None:
    """Keep a mapping under a name."""
    await connection.execute(
        text(
            "insert into import_mapping (tenant, what, name, options) values (:tenant, :what, :name, cast(:options as json)) "
            "on conflict (tenant, what, name) do update set options = excluded.options, saved_at = now()"
        ),
        {"tenant": tenant, "what": what, "name": name, "options": options.model_dump_json()},
    )


async def drop(connection: AsyncConnection, tenant: int, what: What, name: str) -> bool:
    """Forget a mapping; False where there is none."""
    sql = "delete from import_mapping where tenant = :tenant and what = :what and name = :name"
    return bool((await connection.execute(text(sql), {"tenant": tenant, "what": what, "name": name})).rowcount)
