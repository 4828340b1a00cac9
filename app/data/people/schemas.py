"""Wire shapes of people."""

from datetime import date, datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from app.core.ids import IdentityKind
from app.data.people.domain import Identity
from app.data.people.unmerging import Merge


class ConsentIn(BaseModel):
    """What a person said about personal answers."""

    personalisation: bool = Field(strict=True)


class ConsentOut(BaseModel):
    """The stored consent; `applied` tells whether answers follow it already (else within moments, once Redis is back)."""

    user_id: str
    personalisation: bool
    applied: bool


class IdentityOut(BaseModel):
    """An id of a person: `user_id`, `anonymous_id` or `email_sha256`; the primary one names the person."""

    kind: str
    value: str
    primary: bool


class Touched(BaseModel):
    """An item group of the history: the strongest kind of event, how often, its amount, and the last event of any kind."""

    item_group_id: str
    item_id: str
    kind: str
    times: int
    amount: float
    last_at: datetime


class Bought(BaseModel):
    """An item group that was bought, and the day it was bought last (UTC)."""

    item_group_id: str
    item_id: str
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
    quantity: int
    added_at: datetime


class PersonOut(BaseModel):
    """What is known of a person; lists begin with the newest. `counts` by kind of event and window (`1h` to `365d`, and `ever`)."""

    identities: list[IdentityOut]
    personalisation: bool | None
    consent_at: datetime | None
    traits: dict[str, Any]
    country: str | None
    created_at: datetime
    last_seen: datetime | None
    history: list[Touched]
    bought: list[Bought]
    counts: dict[str, dict[str, int]]
    orders: Orders
    visits: list[Visited]
    cart: list[CartLine]


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
