"""What is done with dry runs that the worker makes: begun, looked at, called off."""

from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter

from app.core.db import Database
from app.core.errors import Conflict, NotFound
from app.serving.dry_run.asking import Ask, Draft
from app.serving.dry_run.blocks import Blocks
from app.serving.dry_run.report import Report
from app.serving.dry_run.runs import store
from app.serving.dry_run.runs.schemas import RunOut
from app.serving.dry_run.runs.store import Run

_SOON = timedelta(minutes=1)
_READ: dict[str, TypeAdapter[Report] | TypeAdapter[Blocks]] = {"template": TypeAdapter(Blocks)}
_REPORT = TypeAdapter(Report)


async def begin(db: Database, tenant: int, draft: Draft, ask: Ask, who: str) -> RunOut:
    """Hand a draft to the worker; raises Conflict while another of the tenant waits or is under way."""
    made = await store.add(db, tenant, draft, ask, who)
    if made is None:
        other = await store.open_no(db, tenant)
        raise Conflict(
            f"Dry run {other} waits or is under way: look at it under /v1/admin/dry-runs/{other}, and DELETE calls it off."
            if other is not None
            else "Another dry run ended at this very moment; try again."
        )
    return _shown(made)


async def show(db: Database, tenant: int, run_no: int) -> RunOut:
    """Return a dry run; raises NotFound."""
    found = await store.get(db, tenant, run_no)
    if found is None:
        raise NotFound("There is no dry run of this number; they are kept for a week.")
    return _shown(found)


async def cancel(db: Database, tenant: int, run_no: int) -> RunOut:
    """Call a dry run off; raises NotFound and Conflict."""
    stopped = await store.cancel(db, tenant, run_no)
    found = await show(db, tenant, run_no)
    if not stopped:
        raise Conflict(f"The dry run has ended already: it is {found.status}.")
    return found


def _shown(run: Run) -> RunOut:
    waits = run.status == "waiting" and datetime.now(UTC) - run.created_at > _SOON
    note = "No worker has taken it yet: does `morsel worker` run, or is it busy with others?" if waits else ""
    if run.status == "running" and run.tries > 1:
        note = "The worker ended while it tried this, and begins again."
    report = _READ.get(run.kind, _REPORT).validate_json(run.report) if run.report else None
    return RunOut(
        run_no=run.run_no, kind=run.kind, name=run.name, who=run.who, status=run.status, ask=run.ask, done=run.done, all=run.of_all,
        created_at=run.created_at, started_at=run.started_at, finished_at=run.finished_at, note=note, fault=run.fault, report=report,
    )  # fmt: skip
