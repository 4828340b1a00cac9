"""How the parts are that Morsel stands on: PostgreSQL, Redis, disk, processes, queues, versions, settings in force."""

import asyncio
import platform
import re
import shutil
import time
from collections.abc import Awaitable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from app.core import migrations
from app.core.db import Database
from app.core.outage import cause
from app.core.redis import FAULTS, Nodes
from app.core.settings import PREFIX, Settings, given
from app.operations.schemas import Health, Part, Process, SettingView

_PATIENCE_S = 2.0
_GONE = (*FAULTS, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError)
_PACKAGES = ("morsel", "fastapi", "uvicorn", "onnxruntime", "redis", "sqlalchemy", "asyncpg")


async def health(db: Database, settings: Settings, tenant: int) -> Health:
    """Ask every part at once; one that hangs or is away is said so, and costs two seconds."""
    postgres, redis, disk, processes, queues = await asyncio.gather(
        _asked("PostgreSQL", _postgres(db)),
        _asked("Redis", _redis(settings)),
        asyncio.to_thread(_disk, settings),
        _or(_processes(db, tenant), []),
        _or(_queues(db, tenant), {}),
    )
    worker = _worker(queues)
    versions = {"python": platform.python_version(), "schema": migrations.newest(), **{name: version(name) for name in _PACKAGES}}
    return Health(
        parts=[postgres, redis, disk, worker],
        processes=processes,
        queues={name: int(count) for name, count in queues.items() if name != "worker_silent_s"},
        versions=versions,
        settings=_settings(settings),
    )


async def _asked(name: str, work: Awaitable[Part]) -> Part:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await work
    except _GONE as error:
        return Part(name=name, state="bad", summary=f"cannot be reached: {cause(error)}", facts={})


async def _or(work: Awaitable[Any], otherwise: Any) -> Any:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await work
    except _GONE:
        return otherwise  # the part itself says that it cannot be reached


async def _postgres(db: Database) -> Part:
    began = time.perf_counter()
    row = (
        await db.rows(
            "select current_setting('server_version'), pg_database_size(current_database()), "
            "(select count(*) from pg_stat_activity where datname = current_database()), current_setting('max_connections')::int, "
            "(select coalesce(max(extract(epoch from now() - query_start)), 0)::float8 from pg_stat_activity "
            "where datname = current_database() and state = 'active' and pid <> pg_backend_pid() and backend_type = 'client backend')"
        )
    )[0]
    took = (time.perf_counter() - began) * 1000
    full = row[2] / row[3]
    return Part(
        name="PostgreSQL",
        state="bad" if full > 0.95 else "warn" if full > 0.8 or row[4] > 60 else "good",
        summary=f"answers in {took:.0f} ms",
        facts={
            "Version": row[0],
            "Size": _bytes(row[1]),
            "Connections": f"{row[2]} of {row[3]}",
            "Longest statement running": f"{row[4]:.0f} s",
        },
    )


async def _redis(settings: Settings) -> Part:
    nodes = Nodes(settings.redis_url, timeout_ms=1500)
    try:
        began = time.perf_counter()
        infos = [await node.client.info() for node in await nodes.all()]
        took = (time.perf_counter() - began) * 1000
    finally:
        await nodes.aclose()
    if not infos:
        return Part(name="Redis", state="bad", summary="no node answers", facts={})
    used = sum(int(info["used_memory"]) for info in infos)
    most = sum(int(info.get("maxmemory") or 0) for info in infos)
    full = used / most if most else 0.0
    return Part(
        name="Redis",
        state="bad" if full > 0.97 else "warn" if full > 0.85 else "good",
        summary=f"{len(infos)} node{'s' if len(infos) > 1 else ''} answer{'' if len(infos) > 1 else 's'} in {took:.0f} ms",
        facts={
            "Version": str(infos[0].get("valkey_version") or infos[0]["redis_version"]),
            "Memory": f"{_bytes(used)} of {_bytes(most)}" if most else _bytes(used),
            "When it is full": str(infos[0].get("maxmemory_policy", "")),
            "Keys": f"{sum(int(value['keys']) for info in infos for name, value in info.items() if re.fullmatch(r'db[0-9]+', name)):,}",
            "Up for": f"{min(int(info['uptime_in_seconds']) for info in infos) / 3600:.1f} h",
        },
    )


def _disk(settings: Settings) -> Part:
    folder = settings.data_dir.resolve()
    usage = shutil.disk_usage(folder if folder.exists() else Path("/"))
    free = usage.free / usage.total
    return Part(
        name="Disk",
        state="bad" if free < 0.03 else "warn" if free < 0.1 else "good",
        summary=f"{_bytes(usage.free)} free",
        facts={"Size": _bytes(usage.total), "Used": f"{1 - free:.0%}"},
    )


async def _processes(db: Database, tenant: int) -> list[Process]:
    rows = await db.rows(
        "select process, cpu_us, requests, snapshot_age_s, seen_at from capacity where tenant = :tenant "
        "and seen_at > now() - interval '10 minutes' order by process",
        tenant=tenant,
    )
    return [Process(**dict(zip(Process.model_fields, row, strict=True))) for row in rows]


async def _queues(db: Database, tenant: int) -> dict[str, float]:
    row = (
        await db.rows(
            "select (select count(*) from outbox where tenant = :tenant and confirmed_at is null), "
            "(select count(*) from refused_event where tenant = :tenant), "
            "(select count(*) from send where tenant = :tenant and status in ('waiting', 'warming')), "
            "(select extract(epoch from now() - max(at))::float8 from rollup_gauge where tenant = :tenant and width = 60)",
            tenant=tenant,
        )
    )[0]
    return {"outbox": row[0], "refused_events": row[1], "sends": row[2], **({} if row[3] is None else {"worker_silent_s": row[3]})}


def _worker(queues: dict[str, float]) -> Part:
    silent = queues.get("worker_silent_s")
    if silent is None:
        return Part(name="Worker", state="warn", summary="not heard of yet", facts={})
    state = "bad" if silent > 600 else "warn" if silent > 240 else "good"
    # it tells the minute that is summed up, which lies a minute or two back
    summary = "works" if state == "good" else f"last heard of {silent / 60:.0f} min ago"
    return Part(name="Worker", state=state, summary=summary, facts={"Changes not yet in Redis": f"{queues['outbox']:,.0f}"})


def _settings(settings: Settings) -> list[SettingView]:
    sources = given()
    return [
        SettingView(
            name=f"{PREFIX}{name.upper()}",
            value=_shown(getattr(settings, name)),
            source=sources.get(f"{PREFIX}{name.upper()}", "default"),
            description=field.description or "",
        )
        for name, field in sorted(type(settings).model_fields.items())
    ]


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        return "set" if value.get_secret_value() else ""
    # an address may hold a password
    return re.sub(r"//[^@/\s]*@", "//…@", str(value)) if value is not None else ""


def _bytes(count: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
