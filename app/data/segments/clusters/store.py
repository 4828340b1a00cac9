"""SQL of clusters: what is published, what was found of it, and people to find it of."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import driver
from app.data.segments.clusters.domain import Model

_DUE = """
select c.cluster_no, c.name, v.version, v.document::text, m.model::text, m.version = v.version from cluster c
join cluster_version v on v.tenant = c.tenant and v.cluster_no = c.cluster_no and v.version = c.published
left join cluster_model m on m.tenant = c.tenant and m.cluster_no = c.cluster_no
where c.tenant = $1 and (m.version is distinct from v.version or m.fitted_at < $2 or m.fitted_at > $3) order by c.cluster_no
"""
_DROP = """
delete from cluster_model m using cluster c
where m.tenant = $1 and c.tenant = m.tenant and c.cluster_no = m.cluster_no and c.published is null returning m.cluster_no
"""
_MODELS = """
select c.name, m.model::text from cluster_model m join cluster c on c.tenant = m.tenant and c.cluster_no = m.cluster_no
where m.tenant = $1 and c.published is not null
"""
_EVERY = """
select c.name, m.version, m.fitted_at, m.model::text from cluster_model m
join cluster c on c.tenant = m.tenant and c.cluster_no = m.cluster_no where m.tenant = $1 and c.published is not null
"""
_MODEL = """
select m.version, m.fitted_at, m.model::text from cluster_model m join cluster c on c.tenant = m.tenant and c.cluster_no = m.cluster_no
where m.tenant = $1 and c.name = $2 and c.published is not null
"""
_KEEP = """
insert into cluster_model (tenant, cluster_no, version, model, fitted_at) values ($1, $2, $3, $4::jsonb, $5)
on conflict (tenant, cluster_no) do update set version = excluded.version, model = excluded.model, fitted_at = excluded.fitted_at
"""
_PAGE = """
select person_no, facts, state from person_state where tenant = $1 and person_no > $2 and length(facts) > 0 order by person_no limit $3
"""


class Due(NamedTuple):
    """A published clustering that is to be fitted, what was found of it before, and whether that was of the same version."""

    number: int
    name: str
    version: int
    document: dict[str, Any]
    before: Model | None
    same: bool


class Found(NamedTuple):
    """What was found of a version of a clustering, and when."""

    version: int
    at: datetime
    model: Model


async def due(connection: AsyncConnection, tenant: int, before: datetime, now: datetime) -> list[Due]:
    """Return what was published anew, or was fitted before a moment."""
    rows = await (await driver(connection)).fetch(_DUE, tenant, before, now)
    return [
        Due(row[0], row[1], row[2], orjson.loads(row[3]), Model.model_validate_json(row[4]) if row[4] else None, bool(row[5]))
        for row in rows
    ]


async def drop(connection: AsyncConnection, tenant: int) -> bool:
    """Forget what was found of clusterings that are published no more; tell whether there were any."""
    return bool(await (await driver(connection)).fetch(_DROP, tenant))


async def models(connection: AsyncConnection, tenant: int) -> dict[str, Model]:
    """Return what was found of each published clustering, by name."""
    return {row[0]: Model.model_validate_json(row[1]) for row in await (await driver(connection)).fetch(_MODELS, tenant)}


async def every(connection: AsyncConnection, tenant: int) -> dict[str, Found]:
    """Return what was found of each published clustering, of which version and when, by name."""
    rows = await (await driver(connection)).fetch(_EVERY, tenant)
    return {name: Found(version, at, Model.model_validate_json(written)) for name, version, at, written in rows}


async def model(connection: AsyncConnection, tenant: int, name: str) -> Found | None:
    """Return what was found of a published clustering."""
    row = await (await driver(connection)).fetchrow(_MODEL, tenant, name)
    return Found(row[0], row[1], Model.model_validate_json(row[2])) if row else None


async def keep(connection: AsyncConnection, tenant: int, one: Due, found: Model, at: datetime) -> None:
    """Keep what was found."""
    await (await driver(connection)).execute(_KEEP, tenant, one.number, one.version, found.model_dump_json(), at)


async def page(connection: AsyncConnection, tenant: int, after: int, limit: int) -> Sequence[Any]:
    """Return number, packed facts and state of the people behind a number."""
    return list(await (await driver(connection)).fetch(_PAGE, tenant, after, limit))
