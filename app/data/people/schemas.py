"""Wire shapes of people."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.core.ids import IdentityKind
from app.data.identity.domain import Identity
from app.data.identity.purposes import PURPOSES, Purpose
from app.data.identity.traits import Trait, TraitType
from app.data.identity.unmerging import Merge

_Word = Annotated[bool, Field(strict=True)]


class ConsentIn(BaseModel):
    """What a person said, of one purpose or several; of the others nothing is changed. `sale: false` is an opt-out of sale."""

    model_config = ConfigDict(extra="forbid")

    personalisation: _Word = Field(False, description="Answers, segments and models may rest on the person.")
    analytics: _Word = Field(False, description="The person may be counted by name in reports.")
    email: _Word = Field(False, description="The person may be mailed.")
    tracking: _Word = Field(False, description="Links and opens may be followed.")
    sale: _Word = Field(False, description="Data may be sold or shared.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(f"it says nothing: give one of {', '.join(PURPOSES)}")
        return self

    def said(self) -> dict[str, bool]:
        """Return the purposes that were named."""
        return {name: getattr(self, name) for name in PURPOSES if name in self.model_fields_set}


class ConsentOut(BaseModel):
    """The stored consent, and what holds for each purpose now.

    `personalisation` is what was said of personal answers; `applied` tells whether answers follow it already (else within moments, once
    Redis is back).
    """

    user_id: str
    personalisation: bool | None
    purposes: dict[str, bool]
    applied: bool


class PurposeOut(BaseModel):
    """What holds for a purpose, who says so (`default` where nobody did, `gpc` for the browser's signal), and since when."""

    granted: bool
    source: str
    said_at: datetime | None


def purposes_out(told: Mapping[str, Purpose]) -> dict[str, PurposeOut]:
    """Return consent by purpose as callers see it; of earlier versions nobody knows who said it."""
    return {
        name: PurposeOut(granted=one.granted, source=one.source, said_at=datetime.fromtimestamp(one.at / 1e6, UTC) if one.at else None)
        for name, one in told.items()
    }


class IdentityOut(BaseModel):
    """An id of a person: `user_id`, `anonymous_id` or `email_sha256`; the primary one names the person."""

    kind: str
    value: str
    primary: bool


class Named(BaseModel):
    """An item group, shown by the item that has been in it longest; its title and picture as the catalogue has them now."""

    item_group_id: str
    item_id: str
    title: str = ""
    image: str = ""


class Touched(Named):
    """An item group of the history: the strongest kind of event, how often, its amount, and the last event of any kind."""

    kind: str
    times: int
    amount: float
    last_at: datetime


class Bought(Named):
    """An item group that was bought, and the day it was bought last (UTC)."""

    last_day: date


class Orders(BaseModel):
    """All orders: how many, what was paid in all, the first and the last day (UTC)."""

    count: int
    value: float
    first_day: date | None
    last_day: date | None


class Visited(BaseModel):
    """One visit."""

    started_at: datetime
    seconds: int
    pages: int
    items: int


class CartLine(BaseModel):
    """What lies in the cart, and since when."""

    item_id: str
    title: str = ""
    image: str = ""
    quantity: int
    added_at: datetime


class TraitSource(BaseModel):
    """Where a trait is from: its type (number, text, flag, moment or set), who told it, and when."""

    type: TraitType
    source: str
    told_at: datetime | None


def traits_out(traits: Mapping[str, Trait]) -> dict[str, Any]:
    """Return traits as the fields `traits` and `trait_sources`; of earlier versions the moment of some is not known."""
    sources = {
        name: TraitSource(type=one.type, source=one.source, told_at=datetime.fromtimestamp(one.at / 1e6, UTC) if one.at else None)
        for name, one in traits.items()
    }
    return {"traits": {name: one.value for name, one in traits.items()}, "trait_sources": sources}


class TraitsOut(BaseModel):
    """The traits of a person after a change."""

    user_id: str
    traits: dict[str, Any]
    trait_sources: dict[str, TraitSource]


class PersonOut(BaseModel):
    """What is known of a person; lists begin with the newest. `counts` by kind of event and window (`1h` to `365d`, and `ever`)."""

    audit_name: str = Field(description="What the audit log calls the person of the id that was asked for.")
    identities: list[IdentityOut]
    personalisation: bool | None
    consent_at: datetime | None
    purposes: dict[str, PurposeOut] = Field(description="Consent by purpose: what the person said, else what holds in their country.")
    traits: dict[str, Any] = Field(description="What counts of each trait, as it was told.")
    trait_sources: dict[str, TraitSource] = Field(description="Of each trait its type, who told it, and when.")
    country: str | None
    created_at: datetime
    last_seen: datetime | None
    history: list[Touched]
    bought: list[Bought]
    counts: dict[str, dict[str, int]]
    orders: Orders
    visits: list[Visited]
    cart: list[CartLine]
    segments: list[str] = Field(description="Names of the segments the person is in.")
    facts: dict[str, Any] = Field(description="What conditions read of the person, by its spelling; counts that are zero are left out.")


class FoundPerson(BaseModel):
    """Somebody in a list: the strongest id, as `user_id` too where it is one, when last seen, and consent."""

    user_id: str | None
    kind: str
    value: str
    ids: int = Field(description="How many ids are this person.")
    last_seen: datetime | None
    personalisation: bool | None


class FoundPeople(BaseModel):
    """People, the last seen first, or by id where one was asked for; `next` is `before` of the next page."""

    people: list[FoundPerson]
    next: str | None


class IdOut(BaseModel):
    """An id of a person: `kind` is user_id, anonymous_id or email_sha256."""

    kind: str
    value: str

    @classmethod
    def of(cls, identity: Identity) -> Self:
        """Return an id as callers name it."""
        return cls(kind=IdentityKind(identity[0]).name.lower(), value=identity[1])


class MergeOut(BaseModel):
    """Two ids that are or were one person; `evidence` is together (one message bore both) or alias.

    `together` tells whether they are one person now, which they may be through other merges even where this one was undone.
    """

    merge_no: int
    evidence: str
    occurred_at: datetime
    created_at: datetime
    undone_at: datetime | None
    together: bool
    former: IdOut
    into: IdOut

    @classmethod
    def of(cls, merge: Merge) -> Self:
        """Return a merge as callers see it."""
        return cls(**{**vars(merge), "former": IdOut.of(merge.former), "into": IdOut.of(merge.into)})


class MergesOut(BaseModel):
    """The merges of a person, newest first."""

    merges: list[MergeOut]


class UndoneOut(MergeOut):
    """A merge that was undone; `applied` tells whether answers follow it already (else within moments, once Redis is back)."""

    applied: bool


class ErasedOut(BaseModel):
    """What was erased and when. `events` stay without a person; `applied` tells whether Redis is rid of the person already."""

    receipt: int
    erased_at: datetime
    ids: int
    events: int
    applied: bool
