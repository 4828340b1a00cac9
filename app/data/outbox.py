"""Changes that must reach Redis whatever happens: consent, merges, erasures, traits; kept until Redis has confirmed them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import Database, driver

URGENT = ("consent", "merge")
"""Kinds that answers wait for: they are delivered first, and who they are about is not believed in Redis until then."""
PATIENT = ("traits",)
"""Kinds of which a file may bring a million."""


@dataclass(frozen=True)
class Letter:
    """A change that must reach Redis, and the seconds it has been waiting."""

    outbox_no: int
    kind: str
    person_no: int
    age_s: float


async def post(connection: AsyncConnection, tenant: int, kind: str, person_no: int, payload: dict[str, Any]) -> int:
    """Put a change into the outbox; return its number."""
    number = await connection.scalar(
        text(
            "insert into outbox (tenant, kind, person_no, payload) values (:tenant, :kind, :person, cast(:payload as jsonb)) "
            "returning outbox_no"
        ),
        {"tenant": tenant, "kind": kind, "person": person_no, "payload": orjson.dumps(payload).decode()},
    )
    assert number is not None
    return int(number)


async def post_many(connection: AsyncConnection, tenant: int, kind: str, people: Sequence[int]) -> None:
    """Put a change of each of these people into the outbox."""
    sql = "insert into outbox (tenant, kind, person_no) select $1, $2, n from unnest($3::bigint[]) n"
    await (await driver(connection)).execute(sql, tenant, kind, list(people))


async def letters(db: Database, tenant: int, after: int = 0, limit: int = 500, kinds: Sequence[str] = URGENT) -> list[Letter]:
    """Return the oldest open changes behind a number that concern people's state, each under the root that is now theirs."""
    rows = await db.rows(
        "select o.outbox_no, o.kind, coalesce(p.root_no, o.person_no), extract(epoch from now() - o.created_at)::float8 from outbox o "
        "left join person p using (tenant, person_no) where o.tenant = :tenant and o.confirmed_at is null and o.outbox_no > :after "
        f"and o.kind in ({', '.join(repr(kind) for kind in kinds)}) and o.person_no is not null order by o.outbox_no limit :limit",
        tenant=tenant,
        after=after,
        limit=limit,
    )
    return [Letter(*row) for row in rows]


async def confirm(db: Database, tenant: int, numbers: Sequence[int]) -> None:
    """Mark changes as having reached Redis."""
    await db.run(
        "update outbox set confirmed_at = now() where tenant = :tenant and outbox_no = any(cast(:numbers as bigint[]))",
        tenant=tenant,
        numbers=list(numbers),
    )


async def confirmed(db: Database, tenant: int, outbox_no: int) -> bool:
    """Tell whether a change has reached Redis."""
    rows = await db.rows(
        "select confirmed_at is not null from outbox where tenant = :tenant and outbox_no = :number", tenant=tenant, number=outbox_no
    )
    return bool(rows and rows[0][0])
