"""Gathers what the pre-flight of a send rests on, from PostgreSQL, Redis, and the model's files."""

import asyncio
import difflib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from app.access import store as access_store
from app.access.domain import ClientKind
from app.access.limits.counting import parse_limit
from app.access.tokens.keys import Sealer
from app.core import clock, redis
from app.core.db import Database
from app.core.settings import Settings
from app.data.online.publisher import Publisher
from app.decisions.placements import service as placements
from app.decisions.placements.domain import Placement
from app.ml.registry import service as registry
from app.ml.registry.artefact import ArtefactError, folder, read_manifest
from app.sends import forecast, store
from app.sends.domain import Send, Status
from app.sends.forecast import Load
from app.sends.preflight import Facts

_REDIS_MS = 1000
_NEWEST = 5_000


class _Cache(NamedTuple):
    state: Literal["away", "not whole", "whole"]
    used: int
    most: int


class _Model(NamedTuple):
    has: bool
    until: datetime | None
    fault: str


async def gather(db: Database, settings: Settings, redis_url: str, send: Send) -> Facts:
    """Look at everything that a send depends on; raises only when PostgreSQL is away."""
    now, clock_now = datetime.now(UTC), clock.now()
    placement, near = await _placement(db, send.tenant, send.placement)
    model = (
        await _model(db, settings, send.tenant, placement.recommender) if placement and placement.recommender else _Model(False, None, "")
    )
    newest, backlog = await store.newest_event(db, send.tenant, _NEWEST), await store.backlog(db, send.tenant)
    has_items, catalogue_changed, popular_computed = await store.content_ages(db, send.tenant)
    measured = await store.measured(db, send.tenant)
    others = [one for one in await store.unfinished(db, send.tenant) if one.send_no != send.send_no and one.end_at > now]
    cache = await _cache(settings, redis_url, send.tenant)
    signed, limit = await _access(db, settings, send.tenant)
    candidates = max(settings.candidates, placement.count) if placement else settings.candidates
    return Facts(
        now=clock_now,
        moment=clock_now + (send.start_at - now),
        placement=placement,
        learned_until=model.until,
        has_model=model.has,
        model_fault=model.fault,
        newest_event=newest,
        apply_lag_s=backlog.age_s,
        has_items=has_items,
        catalogue_changed=catalogue_changed,
        popular_computed=popular_computed,
        snapshot_age_s=max((one.snapshot_age_s for one in measured if now - one.seen_at < forecast.ALIVE), default=0.0),
        worker=await store.worker_leads(db),
        redis=cache.state,
        memory_used=cache.used,
        memory_max=cache.most,
        memory_needed=forecast.memory_bytes(max(0, send.left - send.strangers), candidates),
        links_signed=signed,
        limit_per_s=limit,
        ahead=sum(one.left for one in others if one.start_at <= send.start_at or one.status is Status.WARMING),
        seconds_left=(send.start_at - now).total_seconds(),
        load=_load(settings, send, others),
        capacity=forecast.capacity(measured, now),
        near_placement=near,
    )


def _load(settings: Settings, send: Send, others: Sequence[Send]) -> Load:
    def of(one: Send) -> Load:
        return forecast.load(one.audience, one.duration_s, settings.send_calls_per_person, settings.send_peak_factor)

    together = [one for one in others if forecast.overlap(send.start_at, send.end_at, one.start_at, one.end_at)]
    own = of(send)
    return Load(own.calls, own.mean_per_s, own.peak_per_s, sum(of(one).peak_per_s for one in together))


async def _placement(db: Database, tenant: int, name: str) -> tuple[Placement | None, str]:
    """Return the placement, or None and the name most like it."""
    known = {one.name: one for one in await placements.listed(db, tenant)}
    if name in known:
        return Placement.model_validate(known[name].body), ""
    return None, next(iter(difflib.get_close_matches(name, known, 1, 0.6)), "")


async def _model(db: Database, settings: Settings, tenant: int, recommender: str) -> _Model:
    live = [one for one in await registry.models(db, tenant, recommender) if one.live]
    if not live:
        return _Model(False, None, "")
    until = _moment(live[0].manifest.get("data", {}).get("to")) or live[0].created_at
    name = await registry.tenant_name(db, tenant)
    try:
        await asyncio.to_thread(lambda: read_manifest(folder(settings.model_dir, name, recommender, live[0].version)))
    except ArtefactError as error:
        return _Model(True, until, str(error))
    return _Model(True, until, "")


def _moment(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


async def _cache(settings: Settings, url: str, tenant: int) -> _Cache:
    """Ask every node of Redis how it is."""
    nodes, whole, used, most = redis.Nodes(url, timeout_ms=_REDIS_MS, connections=1), True, 0, []
    publisher = Publisher(nodes, settings.state_ttl_days)
    try:
        for node in await nodes.all():
            whole &= await publisher.marker(tenant, node) == await publisher.process(node)
            info = await node.client.info("memory")
            used += int(info.get("used_memory", 0))
            most.append(int(info.get("maxmemory", 0)))
    except redis.FAULTS:
        return _Cache("away", 0, 0)
    finally:
        await nodes.aclose()
    return _Cache("whole" if whole else "not whole", used, sum(most) if all(most) else 0)


async def _access(db: Database, settings: Settings, tenant: int) -> tuple[bool, float | None]:
    """Tell whether links can be signed, and the largest number of requests a second that an e-mail platform's client may send."""
    async with db.begin() as connection:
        directory = await access_store.read_directory(connection, settings.default_rate_limit)
    sealer = Sealer(settings)
    signed = any(sealer.open(tenant, key.kid, key.sealed) is not None for key in directory.signing(tenant, "link"))
    clients = [one for one in directory.clients.values() if one.tenant == tenant and one.kind is ClientKind.ESP]
    return signed, max((_per_s(one.rate_limit) for one in clients), default=None)


def _per_s(limit: str) -> float:
    return min(item.amount / item.get_expiry() for item in parse_limit(limit))
