"""A dry run that the worker makes, as it is told."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from app.serving.dry_run.asking import Ask
from app.serving.dry_run.blocks import Blocks
from app.serving.dry_run.report import Report

Status = Literal["waiting", "running", "done", "failed", "cancelled"]


class RunOut(BaseModel):
    """A dry run: `done` of `all` people or requests are tried (0 while they are being found); `note` says why it waits, `fault` why it
    failed."""

    run_no: int
    kind: str
    name: str
    who: str
    status: Status
    ask: Ask
    done: int
    all: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    note: str = ""
    fault: str = ""
    report: Report | Blocks | None = Field(None, description="Once it is done; kept for a week.")
