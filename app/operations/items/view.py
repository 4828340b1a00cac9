"""What is known of one item, each part by one bounded statement."""

from datetime import UTC, datetime
from typing import Any

from app.core.db import Database
from app.core.ids import IdentityKind
from app.data.catalogue import search, store
from app.data.kinds import Kind
from app.decisions.placements.kind import KIND as PLACEMENTS
from app.documents import service as documents
from app.operations.items.schemas import Buyer, ItemView, Popular, Rule, Sale, Shown, ShownLately

_MOST_VARIANTS, _MOST_LISTS, _MOST_BUYERS, _MOST_BOUGHT = 100, 20, 50, 500
_MOST_ANSWERS = 20_000
_ITEM = "select item_no, group_no, sale_price, sale_from, sale_until, expires_at from item where tenant = :tenant and item_id = :item"
_SHOWN = """
with recent as materialized (
    select served_at, placement_no, items from serve
    where tenant = :tenant and served_at >= now() - interval '7 days' order by served_at desc limit :most
)
select null, count(*), min(served_at) from recent
union all
select * from (
    select coalesce(p.name, ''), count(*), max(r.served_at) from recent r
    left join placement p on p.tenant = :tenant and p.placement_no = r.placement_no
    where :item = any(r.items) group by 1 order by 2 desc limit 50
) by_placement
"""
_POPULAR = """
select segment, array_position(groups, cast(:group as int)), cardinality(groups) from popular_list
where tenant = :tenant and cast(:group as int) = any(groups) order by 2, 1 limit :most
"""
# Of somebody who bought it often the last time counts; who was erased has no id any more.
_BUYERS = f"""
with bought as materialized (
    select person_no, occurred_at from event where tenant = :tenant and kind = {int(Kind.PURCHASE)} and item_no = :item
    order by occurred_at desc limit :bought
), people as (
    select p.root_no, max(b.occurred_at) as at from bought b join person p on p.tenant = :tenant and p.person_no = b.person_no
    group by 1 order by 2 desc limit :most
)
select i.kind, i.value, people.at from people cross join lateral (
    select kind, value from person_identity o where o.tenant = :tenant and o.person_no = people.root_no
    order by is_primary desc, kind, value limit 1
) i order by 3 desc
"""


async def view(db: Database, tenant: int, item_id: str, *, buyers: bool) -> ItemView | None:
    """Return all that is known of an item; None where the catalogue does not have it."""
    stored = await store.get(db, tenant, item_id)
    rows = await db.rows(_ITEM, tenant=tenant, item=item_id) if stored else []
    variants = await search.variants(db, tenant, item_id, _MOST_VARIANTS) if rows else []
    item = next((one for one in variants if one.item_id == item_id), None) or (await _alone(db, tenant, item_id) if rows else None)
    if stored is None or item is None:
        return None
    item_no, group_no, sale, begins, ends, expires = rows[0]
    return ItemView(
        item=item,
        item_group_id=stored.group_id,
        document=stored.document,
        availability=stored.document.get("availability"),
        expires_at=expires,
        sale=None if sale is None else _sale(sale, begins, ends),
        variants=variants,
        popular=[Popular(list=name, rank=rank, of=size) for name, rank, size in await _lists(db, tenant, group_no)],
        shown=await _shown(db, tenant, item_no),
        rules=await _rules(db, tenant, {item_id, stored.group_id}),
        buyers=await _buyers(db, tenant, item_no) if buyers else None,
    )


async def _alone(db: Database, tenant: int, item_id: str) -> search.Found | None:
    """Return an item that stands behind the variants shown of its group."""
    found = await search.search(db, tenant, search.Wanted(q=item_id), None, 1)
    return next((one for one in found.items if one.item_id == item_id), None)


def _sale(price: Any, begins: datetime | None, ends: datetime | None) -> Sale:
    now = datetime.now(UTC)
    return Sale(price=float(price), begins=begins, ends=ends, holds=(begins is None or begins <= now) and (ends is None or now <= ends))


async def _lists(db: Database, tenant: int, group_no: int) -> Any:
    return await db.rows(_POPULAR, tenant=tenant, group=group_no, most=_MOST_LISTS)


async def _shown(db: Database, tenant: int, item_no: int) -> ShownLately:
    (_, answers, since), *placements = await db.rows(_SHOWN, tenant=tenant, item=item_no, most=_MOST_ANSWERS)
    return ShownLately(
        answers=answers,
        since=since,
        placements=[Shown(placement=name, answers=count, last_at=last) for name, count, last in placements],
    )


async def _rules(db: Database, tenant: int, ids: set[str]) -> list[Rule]:
    found: list[Rule] = []
    for one in await documents.listed(db, PLACEMENTS, tenant):
        if ids & {str(name) for name in one.body.get("blocked") or ()}:
            found.append(Rule(placement=one.name, rule="blocked"))
        if ids & {str(name) for name in (one.body.get("fixed") or {}).get("items") or ()}:
            found.append(Rule(placement=one.name, rule="fixed"))
    return found


async def _buyers(db: Database, tenant: int, item_no: int) -> list[Buyer]:
    rows = await db.rows(_BUYERS, tenant=tenant, item=item_no, bought=_MOST_BOUGHT, most=_MOST_BUYERS)
    return [Buyer(kind=IdentityKind(kind).name.lower(), value=value, bought_at=at) for kind, value, at in rows]
