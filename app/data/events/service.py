"""The one step through which every event enters: people, items, doubles, encryption, storage."""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from app.data.events import store
from app.data.events.domain import Event, order_key
from app.data.people import identities, merges
from app.data.people.domain import MOST_IDS, Evidence, Identity, Person
from app.data.people.keys import DataKeys, PersonCipher
from app.data.people.merges import Told

Claim = Callable[[Collection[bytes]], Awaitable[set[bytes]]]


@dataclass
class Accepted:
    """What became of a list of events; positions count from 0 in the list given."""

    landed: list[int] = field(default_factory=list)
    duplicates: list[int] = field(default_factory=list)
    no_consent: list[int] = field(default_factory=list)
    unknown_items: Counter[str] = field(default_factory=Counter)


async def accept(
    connection: AsyncConnection,
    tenant: int,
    events: Sequence[Event],
    *,
    keys: DataKeys,
    claim: Claim,
    source_no: int | None = None,
    most_ids: int = MOST_IDS,
) -> Accepted:
    """Store events inside the connection's transaction.

    `claim` returns those of the given message ids that are new, and remembers them in the same transaction. Events of
    people who withdrew consent are not stored and their ids not claimed. An item that the catalogue does not know leaves
    the event without an item. A person gets at most `most_ids` ids.
    """
    outcome = Accepted()
    if not events:
        return outcome
    people = await identities.resolve(connection, tenant, {i for event in events for i in (*event.identities, *event.former)}, keys)
    told = _told(events, people)
    fresh = {person.person_no for person in people.values() if person.fresh}
    refusing = {person.person_no for person in people.values() if person.consent is False}
    if refusing and any(one.from_no in refusing or one.to_no in refusing for one in told):
        # a refusal told beside an id holds for that id's other events of this very transaction
        if await merges.link(connection, tenant, told, most=most_ids, fresh=fresh):
            people = await identities.resolve(connection, tenant, people, keys)
        told = []
    allowed = []
    for position, event in enumerate(events):
        if people[event.identities[0]].consent is False:
            outcome.no_consent.append(position)
        else:
            allowed.append(position)
    claimed = await claim({events[position].message_id for position in allowed})
    for position in allowed:
        (outcome.landed if events[position].message_id in claimed else outcome.duplicates).append(position)
    chosen = [events[position] for position in outcome.landed]
    if chosen:
        catalogue = await store.items(connection, tenant, {event.item_id for event in chosen if event.item_id})
        records = _records(tenant, chosen, people, catalogue, keys, source_no, outcome.unknown_items)
        if any(event.about for event in chosen):
            records = await _without_signals(connection, tenant, chosen, records)
        await store.add(connection, records)
    if told:
        coming = {people[event.identities[0]].person_no for event in chosen}
        await merges.link(connection, tenant, told, most=most_ids, fresh=fresh, coming=coming)
    await _learn(connection, tenant, chosen, people)
    return outcome


def _told(events: Sequence[Event], people: dict[Identity, Person]) -> list[Told]:
    """Return what events say of ids: that the weaker ones are the strongest one's, and so are its former ones."""
    found: dict[tuple[bytes, tuple[Identity, ...]], list[Told]] = {}
    for event in events:
        if (len(event.identities) == 1 and not event.former) or (event.message_id, event.identities) in found:
            continue
        strongest = event.identities[0]
        number = people[strongest].person_no
        found[event.message_id, event.identities] = [
            merges.told(people[one].person_no, one[0], number, strongest[0], why, event.occurred_at, event.message_id)
            for why, ids in ((Evidence.TOGETHER, event.identities[1:]), (Evidence.ALIAS, event.former))
            for one in ids
        ]
    return [one for several in found.values() for one in several]


def _records(
    tenant: int,
    events: Sequence[Event],
    people: dict[Identity, Person],
    catalogue: dict[str, tuple[int, int]],
    keys: DataKeys,
    source_no: int | None,
    unknown: Counter[str],
) -> list[tuple[Any, ...]]:
    ciphers: dict[int, PersonCipher] = {}
    orders: dict[str | None, int | None] = {None: None}
    nothing: tuple[None, None] = (None, None)
    records = []
    for event in events:
        person = people[event.identities[0]]
        number = person.person_no
        item_no, group_no = catalogue.get(event.item_id, nothing) if event.item_id else nothing
        if event.item_id and item_no is None:
            unknown[event.item_id] += 1
            if event.payload is None and source_no is not None:
                # a file's row has no message to read the id from later
                event.payload = orjson.dumps({"item_id": event.item_id})
        if event.order_id not in orders:
            orders[event.order_id] = order_key(tenant, str(event.order_id))
        payload = event.payload
        if payload is not None:
            if number not in ciphers:
                ciphers[number] = keys.cipher(number, person.sealed_key)
            payload = ciphers[number].seal(payload)
        # one piece unless the source says otherwise, so that every reader sums the same column
        quantity = event.quantity if event.quantity is not None or event.kind <= 0 else 1.0
        records.append(
            (
                tenant,
                event.occurred_at,
                event.message_id,
                number,
                event.kind,
                event.name,
                item_no,
                group_no,
                orders[event.order_id],
                quantity,
                event.value,
                source_no,
                payload,
                event.on_site,
            )
        )
    return records


async def _without_signals(
    connection: AsyncConnection, tenant: int, events: Sequence[Event], records: list[tuple[Any, ...]]
) -> list[tuple[Any, ...]]:
    """Store the signals among records; return the others."""
    told = [event.about for event in events if event.about]
    numbers = await store.placements(connection, tenant, {about.placement for about in told if about.placement})
    plain, signals = [], []
    for event, record in zip(events, records, strict=True):
        if event.about is None:
            plain.append(record)
            continue
        about = event.about
        placement_no = numbers.get(about.placement) if about.placement else None
        signals.append((*record, about.signal, about.mark, about.client, about.recommendation_id, about.campaign, placement_no))
    await store.add_signals(connection, signals)
    return plain


async def _learn(connection: AsyncConnection, tenant: int, events: Sequence[Event], people: dict[Identity, Person]) -> None:
    """Keep what events tell about the people themselves, as the newest of them tells it."""
    countries: dict[int, tuple[str, datetime]] = {}
    traits: dict[int, dict[str, tuple[object, datetime]]] = {}
    for event in sorted((event for event in events if event.country or event.traits), key=lambda one: (one.occurred_at, one.message_id)):
        number = people[event.identities[0]].person_no
        if event.country:
            countries[number] = max(
                countries.get(number, (event.country, event.occurred_at)), (event.country, event.occurred_at), key=_last
            )
        for key, value in (event.traits or {}).items():
            traits.setdefault(number, {})[key] = (value, event.occurred_at)
    await identities.set_countries(connection, tenant, countries)
    await identities.add_traits(connection, tenant, traits)


def _last(country: tuple[str, datetime]) -> tuple[datetime, str]:
    return country[1], country[0]
