"""SQL of the catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import Database, driver
from app.data.catalogue.domain import Item

_COLUMNS = (
    "item_id, group_id, kind, title, category, brand, available, price, currency, document, sale_price, sale_from, sale_until, expires_at"
)
_ROWS = (
    "unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::boolean[], $9::numeric[], $10::text[], "
    f"$11::text[], $12::numeric[], $13::timestamptz[], $14::timestamptz[], $15::timestamptz[]) v({_COLUMNS})"
)
# what is read from a document: an item may be the same and yet be read otherwise than by an earlier version
_READ = ("title", "category", "brand", "kind", "available", "price", "currency", "sale_price", "sale_from", "sale_until", "expires_at")
# Numbers are drawn only for what is new: `on conflict` alone would use one up for every row of every feed.
_GROUPS = """
insert into item_group (tenant, group_id) select $1, g from unnest($2::text[]) g
where not exists (select from item_group o where o.tenant = $1 and o.group_id = g) order by g on conflict do nothing
"""
_CHANGE = f"""
update item i set group_no = g.group_no, kind = v.kind, title = v.title, category = v.category, brand = v.brand,
    available = v.available, absent = false, price = v.price, currency = v.currency, document = v.document::jsonb,
    sale_price = v.sale_price, sale_from = v.sale_from, sale_until = v.sale_until, expires_at = v.expires_at,
    updated_at = now(), changed_xid = pg_current_xact_id()
from {_ROWS} join item_group g on g.tenant = $1 and g.group_id = v.group_id
where i.tenant = $1 and i.item_id = v.item_id
and (i.absent or i.group_no <> g.group_no or i.document <> v.document::jsonb
    or ({", ".join(f"i.{name}" for name in _READ)}) is distinct from ({", ".join(f"v.{name}" for name in _READ)}))
returning i.item_no
"""
_NEW = f"""
insert into item (tenant, group_no, {_COLUMNS.replace("group_id, ", "")})
select $1, g.group_no, v.item_id, v.kind, v.title, v.category, v.brand, v.available, v.price, v.currency, v.document::jsonb,
    v.sale_price, v.sale_from, v.sale_until, v.expires_at
from {_ROWS} join item_group g on g.tenant = $1 and g.group_id = v.group_id
where not exists (select from item o where o.tenant = $1 and o.item_id = v.item_id)
order by v.item_id on conflict do nothing returning item_no
"""
# What is learned lies under a group's number. Where an item was alone in its group, and is the first of another, the number goes with it:
# platforms begin to send groups for items that were sold long before.
_MOVED = """
select distinct on (v.group_id) i.group_no, v.group_id
from unnest($2::text[], $3::text[]) v(item_id, group_id)
join item i on i.tenant = $1 and i.item_id = v.item_id
join item_group o on o.tenant = $1 and o.group_no = i.group_no and o.group_id <> v.group_id
where not exists (select from item_group n where n.tenant = $1 and n.group_id = v.group_id)
and not exists (select from item b where b.tenant = $1 and b.group_no = i.group_no and b.item_no <> i.item_no)
order by v.group_id, i.item_no
"""
_RENAME = f"update item_group g set group_id = m.group_id from ({_MOVED}) m where g.tenant = $1 and g.group_no = m.group_no"
# Who has events of items that go to another group: what is known of these people is computed anew.
_JOINING = """
select i.item_no from unnest($2::text[], $3::text[]) v(item_id, group_id)
join item i on i.tenant = $1 and i.item_id = v.item_id
join item_group g on g.tenant = $1 and g.group_id = v.group_id and g.group_no <> i.group_no
"""
_TELL = """
insert into outbox (tenant, kind, person_no, payload)
select $1, 'merge', root_no, '{}' from (
    select distinct p.root_no from event e join person p on p.tenant = e.tenant and p.person_no = e.person_no
    where e.tenant = $1 and e.item_no = any($2::int[])
) people
"""
_PRESENT = """
select i.item_id, (select g.group_id from item_group g where g.tenant = $1 and g.group_no = i.group_no)
from item i where i.tenant = $1 and i.item_id = any($2::text[])
"""
_GROUPS_LOCK = 7_310
_LOCK = "select item_no from item where tenant = $1 and item_id = any($2::text[]) order by item_no for no key update"


@dataclass(frozen=True)
class Written:
    """How many items were new, changed, or the same as before."""

    new: int
    changed: int
    same: int


@dataclass(frozen=True)
class Stored:
    """A stored item."""

    item_id: str
    group_id: str
    kind: str
    available: bool
    document: dict[str, Any]
    updated_at: Any


async def write(connection: AsyncConnection, tenant: int, items: Sequence[Item]) -> Written:
    """Add or change items with distinct ids."""
    if not items:
        return Written(0, 0, 0)
    below = await driver(connection)
    ids, groups = [item.item_id for item in items], [item.group_id for item in items]
    wanted = dict(zip(ids, groups, strict=True))
    moves = any(wanted[item_id] != group_id for item_id, group_id in await below.fetch(_PRESENT, tenant, ids))
    if moves:
        await below.execute("select pg_advisory_xact_lock($1, $2)", _GROUPS_LOCK, tenant)
        await below.execute(_LOCK, tenant, ids)
        await below.execute(_RENAME, tenant, ids, groups)
    # first: imports that meet wait here for each other's new groups, and see each other's items below
    await below.execute(_GROUPS, tenant, sorted(set(groups)))
    # two imports that meet take the rows in the same order
    await below.execute(_LOCK, tenant, ids)
    if moves and (joining := [row[0] for row in await below.fetch(_JOINING, tenant, ids, groups)]):
        await below.execute(_TELL, tenant, joining)
    columns = (
        ids,
        groups,
        [item.kind for item in items],
        [item.title for item in items],
        [item.category for item in items],
        [item.brand for item in items],
        [item.available for item in items],
        [item.price for item in items],
        [item.currency for item in items],
        [item.document.decode() for item in items],
        [item.sale_price for item in items],
        [item.sale_from for item in items],
        [item.sale_until for item in items],
        [item.expires_at for item in items],
    )
    changed = len(await below.fetch(_CHANGE, tenant, *columns))
    new = len(await below.fetch(_NEW, tenant, *columns))
    return Written(new, changed, len(items) - changed - new)


async def get(db: Database, tenant: int, item_id: str) -> Stored | None:
    """Return an item of the catalogue; None when there is none, or it was taken out."""
    rows = await db.rows(
        "select i.item_id, g.group_id, i.kind, i.available, i.document::text, i.updated_at from item i "
        "join item_group g on g.tenant = i.tenant and g.group_no = i.group_no "
        "where i.tenant = :tenant and i.item_id = :item and not i.absent",
        tenant=tenant,
        item=item_id,
    )
    if not rows:
        return None
    row = rows[0]
    return Stored(row[0], row[1], row[2], row[3], orjson.loads(row[4]), row[5])


async def take_out(connection: AsyncConnection, tenant: int, item_id: str) -> bool:
    """Make an item absent; its numbers stay its own. False when it is not in the catalogue."""
    result = await connection.execute(
        text(
            "update item set absent = true, updated_at = now(), changed_xid = pg_current_xact_id() "
            "where tenant = :tenant and item_id = :item and not absent"
        ),
        {"tenant": tenant, "item": item_id},
    )
    return bool(result.rowcount)


async def present(db: Database, tenant: int) -> list[tuple[int, str]]:
    """Return number and id of every item that is in the catalogue."""
    return [(row[0], row[1]) for row in await db.rows("select item_no, item_id from item where tenant = :t and not absent", t=tenant)]


async def take_out_many(connection: AsyncConnection, tenant: int, item_nos: Sequence[int]) -> None:
    """Make items absent by number."""
    await (await driver(connection)).execute(
        "update item set absent = true, updated_at = now(), changed_xid = pg_current_xact_id() "
        "where tenant = $1 and item_no = any($2::int[])",
        tenant,
        sorted(item_nos),
    )


async def known_groups(db: Database, tenant: int, ids: Sequence[str]) -> dict[str, int]:
    """Return the numbers of those ids that are item groups."""
    if not ids:
        return {}
    rows = await db.rows(
        "select group_id, group_no from item_group where tenant = :tenant and group_id = any(:ids)", tenant=tenant, ids=list(ids)
    )
    return {str(group): int(number) for group, number in rows}
