"""SQL of dry runs that the worker makes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text

from app.core.db import Database
from app.documents.kinds import Finding
from app.serving.dry_run.asking import Ask, Draft

_COLUMNS = (
    "run_no, kind, name, who, status, ask::text, done, of_all, created_at, started_at, finished_at, tries, fault, report::text, "
    "document::text"
)
_ADD = f"""
insert into dry_run (tenant, kind, name, who, ask, document)
values (:tenant, :kind, :name, :who, cast(:ask as json), cast(:document as json))
on conflict (tenant) where status in ('waiting', 'running') do nothing returning {_COLUMNS}
"""
_NEXT = f"""
update dry_run d set status = 'running', started_at = now(), tries = tries + 1, done = 0, of_all = 0 from (
    select tenant, run_no from dry_run where status in ('waiting', 'running') order by created_at, run_no limit 1
) o where d.tenant = o.tenant and d.run_no = o.run_no
returning d.tenant, {", ".join(f"d.{name}" for name in _COLUMNS.split(", "))}
"""
_MINE = "where tenant = :tenant and run_no = :no and status = 'running' and tries = :tries"
_WEEK = "interval '7 days'"


@dataclass(frozen=True)
class Run:
    """A dry run as it is kept."""

    tenant: int
    run_no: int
    kind: str
    name: str
    who: str
    status: Any
    ask: Ask
    done: int
    of_all: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    tries: int
    fault: str
    report: str | None
    draft: Draft

    @classmethod
    def of(cls, tenant: int, row: Any) -> "Run":
        """Read a row."""
        *values, report, document = row
        names = [name.partition(":")[0] for name in _COLUMNS.split(", ")][:-2]
        found = dict(zip(names, values, strict=True))
        written = orjson.loads(document)
        findings = [Finding.model_validate(one) for one in written["findings"]]
        draft = Draft(found["kind"], found["name"], written["body"], findings)
        return cls(tenant=tenant, **{**found, "ask": Ask.model_validate_json(found["ask"])}, report=report, draft=draft)


async def add(db: Database, tenant: int, draft: Draft, ask: Ask, who: str) -> Run | None:
    """Add a dry run; None where the tenant has one that waits or is under way."""
    document = orjson.dumps({"body": draft.body, "findings": [one.model_dump() for one in draft.findings]}).decode()
    values = {"kind": draft.table, "name": draft.name, "who": who, "ask": ask.model_dump_json(), "document": document}
    rows = await _written(db, _ADD, tenant=tenant, **values)
    return Run.of(tenant, rows[0]) if rows else None


async def get(db: Database, tenant: int, run_no: int) -> Run | None:
    """Return a dry run; None where there is none of this number."""
    rows = await db.rows(f"select {_COLUMNS} from dry_run where tenant = :tenant and run_no = :no", tenant=tenant, no=run_no)
    return Run.of(tenant, rows[0]) if rows else None


async def open_no(db: Database, tenant: int) -> int | None:
    """Return the number of the dry run that waits or is under way."""
    rows = await db.rows("select run_no from dry_run where tenant = :tenant and status in ('waiting', 'running')", tenant=tenant)
    return int(rows[0][0]) if rows else None


async def next_run(db: Database) -> Run | None:
    """Take the oldest that waits, or that was broken off; only the worker that leads may ask."""
    rows = await _written(db, _NEXT)
    return Run.of(rows[0][0], rows[0][1:]) if rows else None


async def progress(db: Database, run: Run, done: int, of_all: int) -> bool:
    """Say how far it is; False where it was called off, or is no longer this worker's."""
    sql = f"update dry_run set done = :done, of_all = :all {_MINE}"
    return bool(await db.run(sql, tenant=run.tenant, no=run.run_no, tries=run.tries, done=done, all=of_all))


async def finish(db: Database, run: Run, done: int, of_all: int, report: str | None, fault: str = "") -> bool:
    """Say how it ended; False where it had been called off."""
    sql = (
        "update dry_run set status = :status, finished_at = now(), done = :done, of_all = :all, fault = :fault, "
        f"report = cast(:report as json) {_MINE}"
    )
    values = {"status": "failed" if fault else "done", "fault": fault[:2000], "report": report, "done": done, "all": of_all}
    return bool(await db.run(sql, tenant=run.tenant, no=run.run_no, tries=run.tries, **values))


async def cancel(db: Database, tenant: int, run_no: int) -> bool:
    """Call it off; False where it had ended, or never was."""
    sql = (
        "update dry_run set status = 'cancelled', finished_at = now() "
        "where tenant = :tenant and run_no = :no and status in ('waiting', 'running')"
    )
    return bool(await db.run(sql, tenant=tenant, no=run_no))


async def forget_old(db: Database) -> None:
    """Forget those that ended, or began to wait, a week ago."""
    await db.run(f"delete from dry_run where created_at < now() - {_WEEK} and status <> 'running'")


async def _written(db: Database, sql: str, **values: Any) -> Sequence[Any]:
    async with db.begin() as connection:
        return (await connection.execute(text(sql), values)).all()
