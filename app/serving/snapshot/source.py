"""Reads from PostgreSQL what a snapshot is made of."""

from typing import Any

import numpy as np

from app.content.templates import service as templates
from app.core.db import Database
from app.decisions.placements import service as placements
from app.ml.registry import service as registry
from app.serving.snapshot.catalogue import Row

_ITEM = "item_no, group_no, item_id, kind, category, brand, available and not absent, price, document::text"


def _row(row: Any) -> Row:
    item_no, group_no, item_id, kind, category, brand, available, price, document = row
    return Row(item_no, group_no, item_id, kind, category, brand, available, np.nan if price is None else float(price), document.encode())


async def items(db: Database, tenant: int) -> tuple[list[Row], str]:
    """Return all items, and the transaction from which on changes must be read again."""
    mark = await _oldest_running(db)
    rows = await db.rows(f"select {_ITEM} from item where tenant = :tenant order by item_no", tenant=tenant)
    return [_row(row) for row in rows], mark


async def changed_items(db: Database, tenant: int, mark: str) -> tuple[list[Row], str]:
    """Return items written by transactions from `mark` on, some perhaps once more, and the next mark."""
    following = await _oldest_running(db)
    rows = await db.rows(
        f"select {_ITEM} from item where tenant = :tenant and changed_xid >= cast(cast(:mark as text) as xid8) order by item_no",
        tenant=tenant,
        mark=mark,
    )
    return [_row(row) for row in rows], following


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
