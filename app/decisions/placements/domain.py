"""What a placement says: where content is shown, from which recommender, with which filter, and what stands in for it."""

import hashlib
from functools import cached_property, lru_cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
# PostgreSQL stores no NUL in JSON
_STORABLE = r"^[^\x00]*$"
Text = Annotated[str, Field(max_length=500, pattern=_STORABLE)]
Content = Annotated[str, Field(max_length=50_000, pattern=_STORABLE)]


class Filter(BaseModel):
    """Which items may be shown; an empty list or a missing bound allows all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    categories: tuple[Text, ...] = ()
    not_categories: tuple[Text, ...] = ()
    brands: tuple[Text, ...] = ()
    kinds: tuple[Text, ...] = ()
    price_min: float | None = Field(None, ge=0)
    price_max: float | None = Field(None, ge=0)
    exclude_bought: bool = False

    @cached_property
    def key(self) -> str:
        """A short name for this filter, equal for equal filters."""
        return hashlib.blake2b(self.model_dump_json().encode(), digest_size=6).hexdigest()

    def narrowed(self, category: str) -> "Filter":
        """Return this filter with one category demanded, or itself when that lies outside of its own categories."""
        if self.categories and not any(category == own or category.startswith(f"{own} > ") for own in self.categories):
            return self
        return _narrowed(self, category)


@lru_cache(maxsize=4096)
def _narrowed(wide: Filter, category: str) -> Filter:
    return Filter.model_validate({**{name: getattr(wide, name) for name in Filter.model_fields}, "categories": (category,)})


class Fixed(BaseModel):
    """What is shown when nothing else can be: item ids, and finished content where even these are gone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: tuple[Text, ...] = ()
    html: Content = ""
    text: Content = ""


class Placement(BaseModel):
    """The document of a placement, as marketing edits it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recommender: Annotated[str, Field(pattern=r"^[a-z0-9_]{0,40}$")] = "personal"
    # what enters the model: the person's history, or the items of the request (a product page, a cart)
    anchor: Literal["person", "item"] = "person"
    count: int = Field(6, ge=1, le=50)
    filter: Filter = Filter()
    template: Name = "grid"
    least_confidence: float = Field(0.0, ge=0, le=1)
    deadline_ms: int | None = Field(None, ge=20, le=10_000)
    objective: Literal["click", "conversion", "revenue"] = "click"
    blocked: tuple[Text, ...] = ()
    # an invisible picture in HTML that tells when a letter was opened
    open_pixel: bool = False
    fixed: Fixed = Fixed()
    description: Text = ""
