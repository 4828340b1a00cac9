"""Merges as an operator sees them: which there are of a person, and taking one back."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import Database, driver
from app.core.ids import IdentityKind, person_key
from app.core.settings import Settings
from app.data.identity import merges, watched
from app.data.identity.domain import Evidence, Identity

_USER = int(IdentityKind.USER_ID)
_MOST = 1000
# Links of a person's ids: those in force, and those that were undone. One that never counted is none.
_LISTED = f"""
select distinct on (m.merge_no) m.merge_no, m.evidence, m.occurred_at, m.created_at, m.undone_at,
    f.root_no = t.root_no, fi.kind, fi.value, ti.kind, ti.value
from person_identity n
join person o on o.tenant = n.tenant and o.person_no = n.person_no
join person p on p.tenant = o.tenant and p.root_no = o.root_no
join person_merge m on m.tenant = p.tenant and p.person_no in (m.from_no, m.to_no)
join person f on f.tenant = m.tenant and f.person_no = m.from_no
join person t on t.tenant = m.tenant and t.person_no = m.to_no
join lateral (select kind, value from person_identity where tenant = f.tenant and person_no = f.person_no
    order by is_primary desc, key limit 1) fi on true
join lateral (select kind, value from person_identity where tenant = t.tenant and person_no = t.person_no
    order by is_primary desc, key limit 1) ti on true
where n.tenant = :tenant and n.key = :key and (m.undone_at is not null or f.root_no = t.root_no)
    and (cast(:merge_no as int) is null or m.merge_no = :merge_no)
order by m.merge_no desc limit {_MOST}
"""
# An alias links both readings of a previous id, so both are taken back.
_UNDO = f"""
update person_merge m set undone_at = now() from person_merge one
where one.tenant = $1 and one.merge_no = $2 and m.tenant = $1 and m.undone_at is null and (m.merge_no = one.merge_no
    or (one.evidence = {int(Evidence.ALIAS)} and m.evidence = one.evidence and m.message_id = one.message_id))
returning m.from_no, m.to_no, m.from_kind
"""
# Whoever else came with the id before does not get its history instead: only what is told from now on counts.
_FREE = f"""
delete from person_merge where tenant = $1 and from_no = any($2::bigint[]) and from_kind > {_USER} and undone_at is null
returning to_no
"""
_AFTER = """
select m.undone_at, f.root_no = t.root_no from person_merge m
join person f on f.tenant = m.tenant and f.person_no = m.from_no join person t on t.tenant = m.tenant and t.person_no = m.to_no
where m.tenant = $1 and m.merge_no = $2
"""


@dataclass(frozen=True)
class Merge:
    """Two ids that are, or were, one person; `together` tells whether they are one now, be it through others."""

    merge_no: int
    evidence: str
    occurred_at: datetime
    created_at: datetime
    undone_at: datetime | None
    together: bool
    former: Identity
    into: Identity


async def merges_of(db: Database, tenant: int, identity: Identity) -> list[Merge] | None:
    """Return the newest 1,000 merges of a person, newest first; None for an id that nobody knows."""
    async with db.begin() as connection:
        return await _listed(connection, tenant, identity)


async def undo(
    db: Database, settings: Settings, tenant: int, identity: Identity, merge_no: int, *, who: str = "morsel"
) -> tuple[Merge, list[int]] | None:
    """Take a merge back: each side has its own events again. Return it and the numbers of the changes posted for Redis.

    None for a merge that this person does not have. One that was undone before stays so. Messages that merely carry both ids do not make
    it again, an alias that happened later does.
    """
    async with db.begin() as connection:
        await merges.lock(connection, tenant)
        listed = await _listed(connection, tenant, identity, merge_no)
        if not listed:
            return None
        below = await driver(connection)
        rows = await below.fetch(_UNDO, tenant, merge_no)
        posted: list[int] = []
        if rows:
            touched = {person for row in rows for person in row[:2]}
            weak = [row[0] for row in rows if row[2] > _USER]
            touched |= {row[0] for row in await below.fetch(_FREE, tenant, weak)}
            posted = await merges.tell(connection, tenant, await merges.regroup(connection, tenant, touched, settings.person_ids))
        await watched.changed(connection, settings, tenant, who, "undo merge", identity, note=f"merge {merge_no}")
        undone_at, together = await below.fetchrow(_AFTER, tenant, merge_no)
        return replace(listed[0], undone_at=undone_at, together=together), posted


async def _listed(connection: AsyncConnection, tenant: int, identity: Identity, merge_no: int | None = None) -> list[Merge] | None:
    key = person_key(tenant, *identity)
    rows = (await connection.execute(text(_LISTED), {"tenant": tenant, "key": key, "merge_no": merge_no})).all()
    if not rows:
        known = await connection.scalar(
            text("select exists (select from person_identity where tenant = :tenant and key = :key)"), {"tenant": tenant, "key": key}
        )
        return [] if known else None
    return [
        Merge(row[0], Evidence(row[1]).name.lower(), row[2], row[3], row[4], row[5], (row[6], row[7]), (row[8], row[9])) for row in rows
    ]
