"""Wire shapes of templates."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.content.liquid import MAX_SOURCE
from app.core.versioned import Document

# PostgreSQL stores no NUL in JSON
Source = Annotated[str, Field(max_length=MAX_SOURCE, pattern=r"^[^\x00]*$")]


class Part(BaseModel):
    """The Liquid of one format: a frame around the cards, and the card of one item."""

    model_config = ConfigDict(extra="forbid")

    frame: Source
    card: Source


class TemplateIn(BaseModel):
    """A template as marketing edits it."""

    model_config = ConfigDict(extra="forbid")

    html: Part
    text: Part


class TemplateOut(BaseModel):
    """A version of a template."""

    name: str
    version: int
    published: bool
    template: TemplateIn

    @classmethod
    def of(cls, document: Document) -> "TemplateOut":
        """Wrap a stored document."""
        return cls(
            name=document.name, version=document.version, published=document.published, template=TemplateIn.model_validate(document.body)
        )


class TemplateList(BaseModel):
    """Templates by name, or versions of one, newest first."""

    templates: list[TemplateOut]
