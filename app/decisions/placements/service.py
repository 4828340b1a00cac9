"""Reading and publishing placements."""

from app.core import versioned
from app.core.db import Database
from app.core.errors import NotFound
from app.core.versioned import Document
from app.decisions.placements.defaults import DEFAULTS
from app.decisions.placements.domain import Placement


async def listed(db: Database, tenant: int) -> list[Document]:
    """Return the published placements, by name."""
    return await versioned.published(db, "placement", tenant)


async def publish(db: Database, tenant: int, name: str, placement: Placement) -> Document:
    """Publish a new version of a placement."""
    return await versioned.publish(db, "placement", tenant, name, placement.model_dump(mode="json"))


async def history(db: Database, tenant: int, name: str) -> list[Document]:
    """Return all versions of a placement, newest first; raises NotFound."""
    found = await versioned.versions(db, "placement", tenant, name)
    if not found:
        raise NotFound(f"There is no placement named {name!r}.")
    return found


async def add_defaults(db: Database, tenant: int) -> list[str]:
    """Give a fresh shop its placements; existing ones stay as they are."""
    documents = {name: placement.model_dump(mode="json") for name, placement in DEFAULTS.items()}
    return await versioned.add_missing(db, "placement", tenant, documents)
