"""SQL of refused events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import Database, driver

HIGHEST = (1 << 63) - 1
_ADD = """
insert into refused_event (
    tenant, digest, received_at, skew_s, anonymous_only, client_no, call, whole_body, reason, person_no, identity_key, size, payload,
    named, brief, source
)
select $1, digest, received_at, skew_s, anonymous_only, client_no, call, whole_body, reason, person_no, identity_key, size, payload,
    case named when '' then '{}' else string_to_array(named, ' ')::bytea[] end, brief, source
from unnest(
    $2::bytea[], $3::timestamptz[], $4::float8[], $5::boolean[], $6::int[], $7::text[], $8::boolean[], $9::text[], $10::bigint[],
    $11::bytea[], $12::int[], $13::bytea[], $14::text[], $15::boolean[], $16::text[]
) v(
    digest, received_at, skew_s, anonymous_only, client_no, call, whole_body, reason, person_no, identity_key, size, payload, named, brief,
    source
) on conflict (tenant, digest) do nothing
"""
# Rows of people who are erased go with them.
_READ = """
select r.refused_no, r.received_at, r.skew_s, r.anonymous_only, r.client_no, r.call, r.whole_body, r.reason, r.person_no, r.size,
    r.payload, p.data_key, coalesce(c.name, ''), r.source
from refused_event r
left join person p on p.tenant = r.tenant and p.person_no = r.person_no
left join client c on c.tenant = r.tenant and c.client_no = r.client_no
where r.tenant = $1 and ($2::text is null or r.reason = $2) and r.refused_no > $3 and r.refused_no < $4
"""
_NEWEST = _READ + " order by r.refused_no desc limit $5"
_OLDEST_LOCKED = _READ + " order by r.refused_no limit $5 for update of r skip locked"


@dataclass(frozen=True)
class Row:
    """A refused event as it lies here, encrypted; `data_key` opens it, None where it belongs to nobody who is known."""

    refused_no: int
    received_at: datetime
    skew_s: float
    anonymous_only: bool
    client_no: int
    call: str
    whole_body: bool
    reason: str
    person_no: int | None
    size: int
    payload: bytes
    data_key: bytes | None
    client: str
    source: str


async def add(connection: AsyncConnection, tenant: int, rows: Sequence[tuple[Any, ...]]) -> None:
    """Keep refused events, those left out that are kept already; values stand in the order of the statement."""
    await (await driver(connection)).execute(_ADD, tenant, *(list(column) for column in zip(*rows, strict=True)))


async def sizes(db: Database, tenant: int) -> dict[bool, int]:
    """Return the bytes that are kept, by whether a public key sent them."""
    rows = await db.rows(
        "select anonymous_only, sum(size)::bigint from refused_event where tenant = :tenant group by 1", tenant=tenant
    )  # fmt: skip
    return {row[0]: row[1] for row in rows}


async def newest(connection: AsyncConnection, tenant: int, reason: str | None, below: int, limit: int) -> list[Row]:
    """Return the newest refused events below a number, the newest first."""
    return [Row(*row) for row in await (await driver(connection)).fetch(_NEWEST, tenant, reason, -1, below, limit)]


async def locked(connection: AsyncConnection, tenant: int, reason: str | None, above: int, below: int, limit: int) -> list[Row]:
    """Return the oldest refused events between two numbers, locked; those that somebody else has locked are passed over."""
    return [Row(*row) for row in await (await driver(connection)).fetch(_OLDEST_LOCKED, tenant, reason, above, below, limit)]


async def reasons(db: Database, tenant: int) -> list[tuple[str, int, datetime]]:
    """Return each reason with how many there are and when the last one came, the most frequent first."""
    rows = await db.rows(
        "select reason, count(*), max(received_at) from refused_event where tenant = :tenant group by 1 order by 2 desc, 1 limit 200",
        tenant=tenant,
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def drop(connection: AsyncConnection, tenant: int, numbers: Sequence[int]) -> int:
    """Forget refused events; return how many there were."""
    found = await (await driver(connection)).fetch(
        "delete from refused_event where tenant = $1 and refused_no = any($2::bigint[]) returning 1", tenant, list(numbers)
    )
    return len(found)


async def drop_reason(db: Database, tenant: int, reason: str | None) -> int:
    """Forget all refused events of one reason, or all of a tenant; return how many there were."""
    return await db.run(
        "delete from refused_event where tenant = :tenant and (cast(:reason as text) is null or reason = :reason)",
        tenant=tenant,
        reason=reason,
    )


async def drop_old(db: Database, days: int) -> int:
    """Forget refused events that were kept for so many days, those that name nobody after one; return how many there were."""
    return await db.run(
        "delete from refused_event where received_at < now() - make_interval(days => :days) "
        # an hour early: so often is looked
        "or (brief and received_at < now() - interval '23 hours')",
        days=days,
    )


async def say_why(connection: AsyncConnection, tenant: int, reasons: Sequence[tuple[int, str]]) -> None:
    """Change the reasons of refused events by number: they were replayed and are still wrong."""
    await (await driver(connection)).executemany(
        "update refused_event set reason = $3 where tenant = $1 and refused_no = $2", [(tenant, number, why) for number, why in reasons]
    )
