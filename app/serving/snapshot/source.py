"""Reads from PostgreSQL what a snapshot is made of."""

from pathlib import Path
from typing import Any

from app.content.templates import service as templates
from app.core.db import Database, driver
from app.decisions.placements import service as placements
from app.ml.registry import service as registry
from app.serving.snapshot.building import Rows
from app.serving.snapshot.catalogue import Row

_ITEM = (
    "item_no, group_no, item_id, kind, category, brand, available and not absent, coalesce(price::float8, 'NaN'), "
    "convert_to(document::text, 'UTF8')"
)
# so many are decoded between two looks at the requests that wait
_AT_ONCE = 500


async def items(db: Database, tenant: int, folder: Path | None = None) -> tuple[Rows, str]:
    """Return all items, and the transaction from which on changes must be read again; documents go to a file of `folder`, if given."""
    mark = await _oldest_running(db)
    found = Rows(folder)
    async with db.begin() as connection:
        below = await driver(connection)
        cursor = await below.cursor(f"select {_ITEM} from item where tenant = $1 order by item_no", tenant)
        while records := await cursor.fetch(_AT_ONCE):
            found.add(records)
    return found, mark


async def changed_items(db: Database, tenant: int, mark: str, most: int) -> tuple[list[Row], str]:
    """Return items written by transactions from `mark` on, some perhaps once more, and the next mark; one more than `most` if there are."""
    following = await _oldest_running(db)
    rows = await db.rows(
        f"select {_ITEM} from item where tenant = :tenant and changed_xid >= cast(cast(:mark as text) as xid8) "
        "order by item_no limit :most",
        tenant=tenant,
        mark=mark,
        most=most + 1,
    )
    return [Row(*row) for row in rows], following


async def _oldest_running(db: Database) -> str:
    # a transaction that is still open now may commit rows with an older number later
    return str((await db.rows("select pg_snapshot_xmin(pg_current_snapshot())::text"))[0][0])


async def config(db: Database, tenant: int) -> dict[str, Any]:
    """Return placements, templates, popular lists and live models, JSON-ready, as the disk keeps them."""
    lists = await db.rows("select segment, groups, scores from popular_list where tenant = :tenant", tenant=tenant)
    live = await registry.live(db, tenant)
    name = (await db.rows("select name from tenant where tenant = :tenant", tenant=tenant))[0][0]
    return {
        "tenant": name,
        "placements": [[d.name, d.number, d.version, d.body] for d in await placements.listed(db, tenant)],
        "templates": [[d.name, d.version, d.body] for d in await templates.listed(db, tenant)],
        "popular": {segment: [list(groups), list(scores)] for segment, groups, scores in lists},
        "models": [[one.recommender, one.model_no, one.version] for one in live.values()],
    }
