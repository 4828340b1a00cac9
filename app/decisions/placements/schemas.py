"""Wire shapes of placements."""

from pydantic import BaseModel

from app.core.versioned import Document
from app.decisions.placements.domain import Placement


class PlacementOut(BaseModel):
    """A version of a placement."""

    name: str
    version: int
    published: bool
    placement: Placement

    @classmethod
    def of(cls, document: Document) -> "PlacementOut":
        """Wrap a stored document."""
        return cls(
            name=document.name, version=document.version, published=document.published, placement=Placement.model_validate(document.body)
        )


class PlacementList(BaseModel):
    """Placements by name, or versions of one, newest first."""

    placements: list[PlacementOut]
