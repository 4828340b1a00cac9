"""Fills a database with the events of a generated shop."""

from datetime import datetime, timedelta

from app.core.db import Database, driver
from app.ml.interactions import Interactions

CATALOGUE = {
    "popular": "app.ml.recommenders.popular.fit:Popular",
    "buy_again": "app.ml.recommenders.buy_again.fit:BuyAgain",
    "ease": "app.ml.recommenders.ease.fit:Ease",
    "personal": "app.ml.recommenders.blend.fit:Blend",
}


async def fill(db: Database, tenant: int, shop: Interactions, end: datetime) -> list[int]:
    """Insert catalogue, people and events whose ages count from `end`; return the group number of each row."""
    await add_items(db, tenant, [(f"g{row}", "low" if row < shop.rows // 2 else "high", True) for row in range(shop.rows)])
    groups = [row.group_no for row in await db.rows("select group_no from item_group where tenant = :t order by group_no", t=tenant)]
    async with db.begin() as connection:
        people = [(tenant, 100 + one, 100 + one, b"key", "DE" if one % 2 else "GB") for one in range(shop.people)]
        raw = await driver(connection)
        await raw.copy_records_to_table("person", columns=["tenant", "person_no", "root_no", "data_key", "country"], records=people)
    await add_events(
        db,
        tenant,
        [
            (100 + int(p), groups[r], int(k), end - timedelta(days=float(age)), int(order), float(amount))
            for p, r, k, age, order, amount in zip(shop.person, shop.row, shop.kind, shop.age, shop.order, shop.amount, strict=True)
        ],
        source_no=1,
    )
    return groups


async def add_items(db: Database, tenant: int, items: list[tuple[str, str, bool]]) -> None:
    """Insert single-item groups from (id, category, available)."""
    for item_id, category, available in items:
        await db.run("insert into item_group (tenant, group_id) values (:t, :id)", t=tenant, id=item_id)
        await db.run(
            "insert into item (tenant, group_no, item_id, category, available, document, created_at) "
            "select :t, group_no, group_id, :category, :available, '{}', clock_timestamp() from item_group "
            "where tenant = :t and group_id = :id",
            t=tenant,
            id=item_id,
            category=category,
            available=available,
        )


async def add_events(
    db: Database, tenant: int, events: list[tuple[int, int, int, datetime, int | None, float]], source_no: int | None = None
) -> None:
    """Insert events from (person, group, kind, moment, order key, quantity); those of a source tell their orders together."""
    columns = ["tenant", "source_no", "message_id", "person_no", "group_no", "kind", "occurred_at", "order_key", "quantity"]
    async with db.begin() as connection:
        records = [(tenant, source_no, str(place).encode(), *event) for place, event in enumerate(events)]
        raw = await driver(connection)
        await raw.copy_records_to_table("event", columns=columns, records=records)
