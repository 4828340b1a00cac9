"""Reading and publishing placements from within the program; people use the routes and commands of the kind."""

from app.core.db import Database
from app.decisions.placements.domain import Placement
from app.decisions.placements.kind import KIND
from app.documents import service, store
from app.documents.kinds import Document, named


async def listed(db: Database, tenant: int) -> list[Document]:
    """Return the published placements, by name."""
    return await service.listed(db, KIND, tenant)


async def publish(db: Database, tenant: int, name: str, placement: Placement) -> Document:
    """Publish a new version of a placement, whatever it says; raises Invalid for a bad name."""
    return await store.add(db, KIND.table, tenant, named(KIND, name), placement.model_dump(mode="json"), who="morsel")


async def add_defaults(db: Database, tenant: int) -> list[str]:
    """Give a fresh shop its placements; existing ones stay as they are."""
    return await service.add_defaults(db, KIND, tenant)
