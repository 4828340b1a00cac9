"""Reading and publishing templates from within the program; people use the routes and commands of the kind."""

from typing import Any

from app.content.templates.kind import KIND
from app.core.db import Database
from app.documents import service, store
from app.documents.kinds import Document, named, read


async def listed(db: Database, tenant: int) -> list[Document]:
    """Return the published templates, by name."""
    return await service.listed(db, KIND, tenant)


async def publish(db: Database, tenant: int, name: str, document: dict[str, Any]) -> Document:
    """Publish a new version of a template, once it was tried; raises Invalid when it cannot be rendered."""
    template, _ = read(KIND, document)
    service.refused(KIND, await service.check(db, KIND, tenant, template, None), strict=False)
    return await store.add(db, KIND.table, tenant, named(KIND, name), template.model_dump(mode="json"), who="morsel")


async def add_defaults(db: Database, tenant: int) -> list[str]:
    """Give a fresh shop its templates; existing ones stay as they are."""
    return await service.add_defaults(db, KIND, tenant)
