"""A template as marketing edits it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.content.formats import PartName
from app.content.liquid import MAX_SOURCE

# PostgreSQL stores no NUL in JSON
Source = Annotated[str, Field(max_length=MAX_SOURCE, pattern=r"^[^\x00]*$")]


class Part(BaseModel):
    """The Liquid of one format: a frame around the cards, and the card of one item."""

    model_config = ConfigDict(extra="forbid")

    frame: Source = Field(description="Around the cards; reads cards, items, item_count, placement, locale and person.")
    card: Source = Field(description="One item; reads item, locale and person.")


class TemplateIn(BaseModel):
    """The document of a template: a part for HTML and for text, and for any other format that the program knows where it is wanted."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[PartName, Part] = Field(init=False)

    html: Part = Field(description="What e-mails and pages show.")
    text: Part = Field(description="The text part of an e-mail.")
