"""What a placement says: where content is shown, from which recommender, with which filter, and what stands in for it."""

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.content.formats import PartName
from app.data.catalogue.values.categories import comparable, lies_in

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
# PostgreSQL stores no NUL in JSON
_STORABLE = r"^[^\x00]*$"
Text = Annotated[str, Field(max_length=500, pattern=_STORABLE)]
Heading = Annotated[str, Field(max_length=200, pattern=_STORABLE)]
Content = Annotated[str, Field(max_length=50_000, pattern=_STORABLE)]
# a condition in its text or document spelling
Condition = Annotated[str, Field(max_length=20_000, pattern=_STORABLE)] | dict[str, Any]


class Filter(BaseModel):
    """Which items may be shown; an empty list or a missing bound allows all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    categories: tuple[Text, ...] = Field((), description="Only items of these categories, and of those below them.")
    not_categories: tuple[Text, ...] = Field((), description="No item of these categories, nor of those below them.")
    brands: tuple[Text, ...] = Field((), description="Only items of these brands.")
    not_brands: tuple[Text, ...] = Field((), description="No item of these brands.")
    kinds: tuple[Text, ...] = Field((), description="Only items of these kinds, such as product or article.")
    price_min: float | None = Field(None, ge=0, description="Only items whose price, as it is shown, is at least this.")
    price_max: float | None = Field(None, ge=0, description="Only items whose price, as it is shown, is at most this.")
    currency: Annotated[str, Field(pattern=r"^([A-Z]{3})?$")] = Field(
        "", description="What the two bounds are in, and what items must be priced in to pass them; empty: the currency of most items."
    )
    exclude_bought: bool = Field(False, description="Nothing that the person bought.")
    exclude_seen: bool = Field(
        False,
        description="Nothing in the person's history (viewed, put into the cart, read, rated well), and nothing bought. "
        "The history holds the latest items; a low rating is not in it.",
    )

    where: Condition = Field(
        "", description="Only items that meet this condition, which may compare them with the person, the moment and the request."
    )

    @cached_property
    def key(self) -> str:
        """A short name for this filter, equal for equal filters."""
        # lists are kept under it: those of filters without a condition keep the name they had before there were any
        spelled = self.model_dump_json(exclude=None if self.where else {"where"})
        return hashlib.blake2b(spelled.encode(), digest_size=6).hexdigest()

    def __hash__(self) -> int:
        return hash(self.key)

    def narrowed(self, *categories: str) -> "Filter":
        """Return this filter with one of these categories demanded, or itself when all lie outside of its own categories."""
        reached = tuple(one for one in categories if self.reaches(one))
        return _narrowed(self, reached) if reached else self

    def reaches(self, category: str) -> bool:
        """Tell whether a category lies within the categories of this filter."""
        return not self.categories or any(lies_in(comparable(category), own) for own in self._comparable)

    def of_brand(self, brand: str) -> "Filter":
        """Return this filter with a brand demanded, or itself when the brand is none of its own."""
        own = not self.brands or comparable(brand) in map(comparable, self.brands)
        return _branded(self, brand) if own else self

    @cached_property
    def _comparable(self) -> tuple[str, ...]:
        return tuple(map(comparable, self.categories))

    def under(self, name: str) -> "Filter":
        """Return this filter for a list of its own, which rules of this name narrow."""
        own = self.model_copy()
        own.__dict__["key"] = f"{self.key}{name}"
        return own

    @cached_property
    def closed(self) -> "Filter":
        """This filter with a category demanded that no item has: one for all categories that there are not."""
        return Filter.model_construct(**{**{name: getattr(self, name) for name in Filter.model_fields}, "categories": ("\0",)})


@lru_cache(maxsize=4096)
def _narrowed(wide: Filter, categories: tuple[str, ...]) -> Filter:
    return Filter.model_validate({**{name: getattr(wide, name) for name in Filter.model_fields}, "categories": categories})


@lru_cache(maxsize=4096)
def _branded(wide: Filter, brand: str) -> Filter:
    return Filter.model_validate({**{name: getattr(wide, name) for name in Filter.model_fields}, "brands": (brand,)})


Seeding = Literal["", "last_bought", "last_viewed", "page", "top_brand", "top_category", "segment"]
MOST_PARTS, MOST_ITEMS = 6, 50


class BlockPart(BaseModel):
    """One of several parts of a block: a heading, and items, categories or brands below it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name = Field(description="What the part is called in answers; each has a name of its own.")
    heading: Heading = Field("", description="What stands above it; reads what the seed knows, see below. Empty: the default.")
    default: Heading = Field("", description="The heading where the seed is unknown; reads nothing.")
    seed: Seeding = Field(
        "",
        description="What the part starts from: `last_bought`, `last_viewed`, `page`, `top_brand`, `top_category` or `segment`; "
        "empty: what the placement starts from.",
    )
    shows: Literal["items", "categories", "brands"] = Field(
        "items", description="`items`, or `categories` or `brands`: those the person likes most, each with its best item."
    )
    order: Literal["best", "newest"] = Field("best", description="`best`, as the recommender says, or `newest`: what came last, first.")
    recommender: Annotated[str, Field(pattern=r"^[a-z0-9_]{0,40}$")] | None = Field(
        None, description="Whose scores choose the items; null: the placement's, empty: popular items."
    )
    filter: Filter | None = Field(None, description="Which items may be shown; null: the placement's.")
    limit: int = Field(4, ge=1, le=MOST_ITEMS, description="How many at most.")
    when_unknown: Literal["popular", "leave_out"] = Field(
        "popular",
        description="Where the seed is unknown, or gives nothing: `popular` items below the default heading, or `leave_out` the part.",
    )

    @property
    def personal(self) -> bool:
        """Tell whether what it shows rests on what the person did."""
        return self.shows != "items" or self.seed not in ("", "page")


class Fixed(BaseModel):
    """What is shown when nothing else can be: item ids, and finished content where even these are gone."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[PartName, Content] = Field(init=False)

    items: tuple[Text, ...] = Field((), description="Ids of items, in their order; those out of stock are left out.")
    html: Content = Field("", description="Finished HTML, where there are no items.")
    text: Content = Field("", description="The same as text.")

    def written(self, form: str) -> str:
        """Return the finished content of a format, empty where there is none."""
        own = {"html": self.html, "text": self.text}
        return own[form] if form in own else (self.__pydantic_extra__ or {}).get(form, "")


class Placement(BaseModel):
    """The document of a placement, as marketing edits it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recommender: Annotated[str, Field(pattern=r"^[a-z0-9_]{0,40}$")] = Field(
        "personal", description="Whose scores choose the items; empty: popular items for everybody."
    )
    anchor: Literal["person", "item"] = Field(
        "person", description="What enters the model: the person's history, or the items of the request (a product page, a cart)."
    )
    count: int = Field(6, ge=1, le=50, description="How many items, unless the request says `limit`.")
    filter: Filter = Field(Filter(), description="Which items may be shown; see below.")
    template: Name = Field("grid", description="The template of HTML and text.")
    least_confidence: float = Field(
        0.0, ge=0, le=1, description="Below this confidence of the model the person gets popular items of a favoured category instead."
    )
    segments: Annotated[tuple[Name, ...], Field(max_length=20)] = Field(
        (),
        description="Where the model does not answer, the person gets what is popular in the first of these segments they are in, "
        "before what is popular in their category.",
    )
    deadline_ms: int | None = Field(None, ge=20, le=10_000, description="Answer within so many milliseconds; empty: the setting.")
    objective: Literal["click", "conversion", "revenue", "margin"] = Field(
        "click", description="What the placement is for: the score that orders its items, unless a rule's formula does; see rules."
    )
    blocked: tuple[Text, ...] = Field(
        (), description="Ids of items, or of item groups, that must never be shown; an item blocks its group."
    )
    open_pixel: bool = Field(False, description="An invisible picture in HTML that tells when a letter was opened.")
    fixed: Fixed = Field(Fixed(), description="What is shown when nothing passes the filter; see below.")
    parts: Annotated[tuple[BlockPart, ...], Field(max_length=MOST_PARTS)] = Field(
        (), description="Several parts in one answer, each with a heading and items, none of them twice; see below."
    )
    description: Text = Field("", description="For the people who edit it.")

    @property
    def places(self) -> int:
        """How many items an answer has room for: those of all parts together, where there are some."""
        return sum(one.limit for one in self.parts) if self.parts else self.count

    @field_validator("parts")
    @classmethod
    def _together(cls, parts: tuple[BlockPart, ...]) -> tuple[BlockPart, ...]:
        names = [one.name for one in parts]
        if twice := next((name for name in names if names.count(name) > 1), ""):
            raise ValueError(f"two parts are called {twice}: give each a name of its own")
        if (places := sum(one.limit for one in parts)) > MOST_ITEMS:
            raise ValueError(f"their limits come to {places}, and an answer has at most {MOST_ITEMS} items: lower some")
        return parts


@dataclass(frozen=True)
class Placed:
    """The published version of a placement."""

    name: str
    number: int
    version: int
    placement: Placement
