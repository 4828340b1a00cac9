"""SQL that records each import and its report, and lists them."""

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import text

from app.core.db import Database
from app.core.texts import readable
from app.data.imports.report import Report


async def begin(db: Database, tenant: int, what: str, files: str, source_no: int | None = None) -> int:
    """Record that an import began; return its number."""
    async with db.begin() as connection:
        number = await connection.scalar(
            text("insert into import_run (tenant, source_no, what, file_name) values (:tenant, :source, :what, :files) returning run_no"),
            {"tenant": tenant, "source": source_no, "what": what, "files": files[:1000]},
        )
    assert number is not None
    return int(number)


async def finish(db: Database, tenant: int, run_no: int, report: Report) -> None:
    """Record what an import did."""
    await db.run(
        "update import_run set finished_at = now(), rows_read = :read, landed = :landed, duplicate = :duplicate, refused = :refused, "
        "report = cast(:report as jsonb) where tenant = :tenant and run_no = :run",
        tenant=tenant,
        run=run_no,
        read=report.read,
        landed=report.landed,
        duplicate=report.duplicate,
        refused=report.refused,
        report=orjson.dumps(readable(report.document())).decode(),
    )


_LIST = (
    "select r.run_no, r.what, r.file_name, coalesce(s.name, ''), r.started_at, r.finished_at, r.rows_read, r.landed, r.duplicate, "
    "r.refused, r.report::text from import_run r left join event_source s on s.tenant = r.tenant and s.source_no = r.source_no "
)


async def listed(db: Database, tenant: int, what: str, before: int | None, limit: int) -> Sequence[Any]:
    """Return imports below the number `before`, newest first; of items, of events, or of both where `what` is empty."""
    return await db.rows(
        _LIST + "where r.tenant = :tenant and (:what = '' or r.what = :what) and (cast(:before as int) is null or r.run_no < :before) "
        "order by r.run_no desc limit :limit",
        tenant=tenant,
        what=what,
        before=before,
        limit=limit,
    )


async def one(db: Database, tenant: int, run_no: int) -> Any | None:
    """Return an import; None where there is none of this number."""
    rows = await db.rows(_LIST + "where r.tenant = :tenant and r.run_no = :run", tenant=tenant, run=run_no)
    return rows[0] if rows else None
