"""Health: the parts, the processes, what waits, why answers were not personal, and the settings in force."""

import asyncio
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from app.dashboard import live
from app.dashboard.charts import svg
from app.dashboard.context import Here
from app.dashboard.render import page
from app.dashboard.ui.table import Column, Table

router = APIRouter(prefix="/health")
_PROCESSES = (
    Column("process", "Process", "code"), Column("cpu_us", "CPU a request, µs", "number"), Column("requests", "Measured on", "number"),
    Column("snapshot_age_s", "Snapshot age, s", "number"), Column("seen_at", "Heard of", "ago"),
)  # fmt: skip
_SETTINGS = (
    Column("name", "Setting", "code"), Column("value", "Value", "code"),
    Column("source", "From"), Column("description", "What", wide=True, sortable=False),
)  # fmt: skip
_PLACEMENTS = (
    Column("placement", "Placement"), Column("count", "Answers", "number"), Column("fallback", "Not personal", "share"),
    Column("empty", "Without items", "number"), Column("p99", "p99, ms", "amount"), Column("why", "Why", wide=True, sortable=False),
)  # fmt: skip


@router.get("")
async def health(visit: Here) -> Response:
    """Show how the parts are."""
    until = datetime.now(UTC)
    found, overview = await asyncio.gather(
        visit.api.get("/v1/admin/health"),
        visit.api.get("/v1/admin/overview", **{"from": (until - timedelta(days=1)).isoformat(), "to": until.isoformat()}),
    )
    rows = [
        {
            "placement": one["placement"] or "unknown",
            **one["answers"],
            "p99": one["answers"]["p99_ms"],
            "why": ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in list(one["answers"]["reasons"].items())[:4]),
        }
        for one in overview["placements"]
    ]
    return visit.page(
        "system/health.html",
        health=found,
        processes=Table("processes", _PROCESSES, found["processes"], empty="No process has told of itself yet; each does within a minute."),
        settings=Table("settings", _SETTINGS, found["settings"]),
        placements=Table("answers", _PLACEMENTS, rows, empty="Nothing was answered in the last day."),
        reasons=svg.bars(
            "Why answers were not personal, last day",
            [(name.replace("_", " "), float(count)) for name, count in overview["answers"]["reasons"].items()],
        ),
    )


@router.get("/live")
async def live_parts(visit: Here, request: Request) -> StreamingResponse:
    """Send the parts anew again and again."""

    async def piece() -> tuple[str, str]:
        return "parts", page("parts/health_parts.html", health=await visit.api.get("/v1/admin/health"))

    return live.stream(request, piece, every_s=5.0)
