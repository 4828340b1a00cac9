"""SQL that records each import and its report."""

import orjson
from sqlalchemy import text

from app.core.db import Database
from app.data.reports import Report


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
        report=orjson.dumps(report.document()).decode(),
    )
