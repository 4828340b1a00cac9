"""Wire shapes of serving, as the OpenAPI document shows them."""

# long: documents only; nothing of it runs

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.serving.model.parameters import PARAMETERS

Short = Annotated[str, Field(max_length=512)]


class Item(BaseModel):
    """One item: flat, scalars only, the same keys always, no null."""

    item_id: str
    title: str
    image_url: str
    image_width: int
    image_height: int
    price: float
    price_formatted: str
    currency: str
    brand: str
    category: str
    availability: str
    url: str = Field(description="A signed link that records the click and leads to the item; empty when the item has no page.")
    position: int
    score: float
    reason: str = Field(description="Why this item: for_you, bought_before, goes_with, popular, popular_in_category, ...")


class Tile(BaseModel):
    """A category or brand, by the item that stands for it."""

    position: int
    item_id: str
    image_url: str
    name: str
    full_name: str
    count: int = Field(description="How many products there are of it.")


class PartOut(BaseModel):
    """A part of a block that has several: `items` are ids of the answer's items, from position `first` on."""

    name: str
    heading: str
    shows: str = Field(description="items, categories or brands.")
    source: str
    fallback_reason: str
    first: int
    item_count: int
    items: list[str]
    categories: list[Tile] | None = None
    brands: list[Tile] | None = None


class Recommendations(BaseModel):
    """An answer."""

    recommendation_id: str
    placement: str
    user_id: str
    source: str = Field(description="The rung that answered: live, cached, stale, segment, popular, fixed; of a part also newest.")
    fallback: bool
    fallback_reason: str
    model: str
    model_version: str
    arm: str
    generated_at: str
    item_count: int
    has_items: bool
    warnings: list[str]
    open_pixel_url: str | None = Field(None, description="Only when asked for: a picture that tells when a letter was opened.")
    explain: dict[str, Any] | None = None
    parts: list[PartOut] | None = Field(
        None,
        description="Only of a placement that has parts; beside it stand part_count, part1_name, part1_heading, part1_first and so on.",
    )
    items: list[Item]


class Asked(BaseModel):
    """The same parameters as in the URL, in a body; lists may also be comma-separated text."""

    model_config = ConfigDict(extra="allow", json_schema_extra=lambda schema: schema.update(properties=_properties()))


def _properties() -> dict[str, Any]:
    """Describe the parameters as members of a JSON object."""
    shapes = {"array": {"type": "array", "items": {"type": "string"}}}
    return {
        name: {"description": one.told, "anyOf": [shapes.get(kind, {"type": kind}) for kind in (*one.types, "null")]}
        for name, one in PARAMETERS.items()
        if name != "key"
    }


class RankRequest(BaseModel):
    """A caller's items and the person to rank them for."""

    model_config = ConfigDict(extra="forbid")

    user_id: Short = ""
    anonymous_id: Short = ""
    email_sha256: Short = ""
    recommender: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")] = "personal"
    items: Annotated[list[Short], Field(min_length=1, max_length=500)]


class RankedItem(BaseModel):
    """An item in its place."""

    item_id: str
    position: int
    score: float


class Ranked(BaseModel):
    """All items asked for, best first."""

    recommendation_id: str
    user_id: str
    source: str
    fallback: bool
    fallback_reason: str
    model: str
    model_version: str
    item_count: int
    warnings: list[str]
    items: list[RankedItem]
