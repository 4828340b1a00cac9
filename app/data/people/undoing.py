"""`morsel import undo`: takes back all that files brought under a source, so that a corrected import can follow."""

from dataclasses import dataclass

from app.core.db import Database, driver
from app.data import outbox
from app.data.engagement import store as signals
from app.data.events import store
from app.data.imports.files import FileFault

_SOURCE = "select source_no from event_source where tenant = :tenant and name = :name"
_NAMES = "select name from event_source where tenant = :tenant order by name limit 20"
_GONE = "delete from event where tenant = $1 and source_no = $2 returning person_no, order_key"
_LEDGER = "delete from import_ledger where tenant = $1 and source_no = $2"
# Orders that nobody tells any more are owed to nobody; those that others tell, too, are decided again with all of these people.
_OWED = """
delete from attribution a using unnest($2::bigint[], $3::bigint[]) v(p, o) where a.tenant = $1 and a.person_no = v.p and a.order_key = v.o
"""
_AGAIN = "update person set root_xid = pg_current_xact_id() where tenant = $1 and person_no = any($2::bigint[])"
_ROOTS = "select distinct root_no from person where tenant = $1 and person_no = any($2::bigint[]) order by 1"


@dataclass(frozen=True)
class Undone:
    """What was taken back: events, the people whose they were, and rows of the ledger."""

    events: int
    people: int
    ledger: int


async def undo(db: Database, tenant: int, source: str) -> Undone:
    """Delete all events of a source and its ledger in one transaction; the worker computes the states of its people again.

    People, their ids and what they said stay. Raises FileFault for an unknown source and while an import of it is running.
    """
    rows = await db.rows(_SOURCE, tenant=tenant, name=source)
    if not rows:
        known = [row[0] for row in await db.rows(_NAMES, tenant=tenant)]
        raise FileFault(f"there is no source {source}; there are: {', '.join(known) or 'none'}")
    number = int(rows[0][0])
    async with store.only_import(db, number) as free:
        if not free:
            raise FileFault(f"an import of the source {source} is running")
        async with db.begin() as connection:
            await signals.own(connection, tenant)
            below = await driver(connection)
            gone = await below.fetch(_GONE, tenant, number)
            touched = sorted({row[0] for row in gone})
            ordered = sorted({(row[0], row[1]) for row in gone if row[1] is not None})
            await below.execute(_OWED, tenant, [one[0] for one in ordered], [one[1] for one in ordered])
            await below.execute(_AGAIN, tenant, touched)
            roots = [row[0] for row in await below.fetch(_ROOTS, tenant, touched)]
            for root in roots:
                await outbox.post(connection, tenant, "merge", root, {})
            ledger = int((await below.execute(_LEDGER, tenant, number)).split()[-1])
        return Undone(len(gone), len(touched), ledger)
