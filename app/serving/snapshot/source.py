"""Reads from PostgreSQL what a snapshot is made of."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from app.core.db import Database, driver
from app.serving.snapshot import parts
from app.serving.snapshot.building import Rows
from app.serving.snapshot.catalogue import Row

_ITEM = (
    "item_no, group_no, item_id, kind, category, brand, available and not absent, coalesce(price::float8, 'NaN'), "
    "convert_to(document::text, 'UTF8'), currency, sale_price::float8, extract(epoch from sale_from)::float8, "
    "extract(epoch from sale_until)::float8, extract(epoch from expires_at)::float8, extract(epoch from created_at)::float8"
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


async def config(db: Database, tenant: int, kept: dict[str, Any] | None = None, changed: Collection[str] = ()) -> dict[str, Any]:
    """Return every part beside the items, JSON-ready, as the disk keeps it.

    Of what is `kept` from before only what lies in areas that changed, and what it lacks, is read again; it is itself the answer where
    nothing is.
    """
    due = [part for part in parts.PARTS if kept is None or part.name not in kept or not set(part.areas).isdisjoint(changed)]
    if kept is not None and not due:
        return kept
    return {**(kept or {}), **{part.name: await part.read(db, tenant) for part in due}}
