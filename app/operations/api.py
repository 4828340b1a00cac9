"""Admin routes for those who run it: overview, findings, health."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.errors import BadRequest
from app.core.outage import or_unavailable
from app.operations import findings, health, overview
from app.operations.schemas import Findings, Health, Overview

router = APIRouter(prefix="/v1/admin", tags=["operations"], responses={**PROTECTED, **problems(503)})
Reader = Annotated[Principal, Depends(require(Scope.ADMIN_READ))]
_LATER = "This cannot be told now; try again."
_LONGEST = timedelta(days=400)


@router.get("/overview")
async def get_overview(
    request: Request,
    caller: Reader,
    since: Annotated[datetime | None, Query(alias="from", description="Start; a day ago unless given.")] = None,
    until: Annotated[datetime | None, Query(alias="to", description="End, now unless given.")] = None,
    placement: Annotated[str, Query(max_length=64, pattern=r"^[^\x00]*$")] = "",
) -> Overview:
    """Sum up answers by rung, latency, events and lateness over time, by placement, client and source; the last two minutes are missing."""
    end = _utc(until) if until else datetime.now(UTC)
    start = _utc(since) if since else end - timedelta(days=1)
    if not timedelta(0) < end - start <= _LONGEST:
        raise BadRequest("`from` lies before `to`, and no more than 400 days.")
    with or_unavailable(_LATER):
        return await overview.overview(request.app.state.db, caller.tenant, start, end, placement)


@router.get("/findings")
async def get_findings(request: Request, caller: Reader) -> Findings:
    """Return what needs a human, gravest first, each with what to do about it."""
    with or_unavailable(_LATER):
        return Findings(findings=await findings.findings(request.app.state.db, caller.tenant))


@router.get("/health")
async def get_health(request: Request, caller: Reader) -> Health:
    """Say how PostgreSQL, Redis, disk, worker and processes are, what waits, and which settings are in force; it answers without them."""
    return await health.health(request.app.state.db, request.app.state.settings, caller.tenant)


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
