"""SQL of the catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import Database, driver
from app.data.catalog.domain import Item

_COLUMNS = "item_id, group_id, kind, title, category, brand, available, price, currency, document"
_ROWS = (
    "unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::boolean[], $9::numeric[], $10::text[], "
    f"$11::text[]) v({_COLUMNS})"
)
# Numbers are drawn only for what is new: `on conflict` alone would use one up for every row of every feed.
_GROUPS = """
insert into item_group (tenant, group_id) select $1, g from unnest($2::text[]) g
where not exists (select from item_group o where o.tenant = $1 and o.group_id = g) order by g on conflict do nothing
"""
_CHANGE = f"""
update item i set group_no = g.group_no, kind = v.kind, title = v.title, category = v.category, brand = v.brand,
    available = v.available, absent = false, price = v.price, currency = v.currency, document = v.document::jsonb,
    updated_at = now(), changed_xid = pg_current_xact_id()
from {_ROWS} join item_group g on g.tenant = $1 and g.group_id = v.group_id
where i.tenant = $1 and i.item_id = v.item_id
and (i.absent or i.group_no <> g.group_no or i.document <> v.document::jsonb)
returning i.item_no
"""
_NEW = f"""
insert into item (tenant, group_no, {_COLUMNS.replace("group_id, ", "")})
select $1, g.group_no, v.item_id, v.kind, v.title, v.category, v.brand, v.available, v.price, v.currency, v.document::jsonb
from {_ROWS} join item_group g on g.tenant = $1 and g.group_id = v.group_id
where not exists (select from item o where o.tenant = $1 and o.item_id = v.item_id)
order by v.item_id on conflict do nothing returning item_no
"""
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
    await below.execute(_GROUPS, tenant, sorted({item.group_id for item in items}))
    # two imports that meet take the rows in the same order
    await below.execute(_LOCK, tenant, [item.item_id for item in items])
    columns = (
        [item.item_id for item in items],
        [item.group_id for item in items],
        [item.kind for item in items],
        [item.title for item in items],
        [item.category for item in items],
        [item.brand for item in items],
        [item.available for item in items],
        [item.price for item in items],
        [item.currency for item in items],
        [item.document.decode() for item in items],
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
