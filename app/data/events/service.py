"""The one step through which every event enters: people, items, doubles, encryption, storage."""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from app.data.events import store
from app.data.events.domain import Event, order_key
from app.data.people import identities
from app.data.people.domain import Identity, Person
from app.data.people.keys import DataKeys, PersonCipher

Claim = Callable[[Collection[bytes]], Awaitable[set[bytes]]]


@dataclass
class Accepted:
    """What became of a list of events; positions count from 0 in the list given."""

    landed: list[int] = field(default_factory=list)
    duplicates: list[int] = field(default_factory=list)
    no_consent: list[int] = field(default_factory=list)
    unknown_items: Counter[str] = field(default_factory=Counter)


async def accept(
    connection: AsyncConnection, tenant: int, events: Sequence[Event], *, keys: DataKeys, claim: Claim, source_no: int | None = None
) -> Accepted:
    """Store events inside the connection's transaction.

    `claim` returns those of the given message ids that are new, and remembers them in the same transaction. Events of
    people who withdrew consent are not stored and their ids not claimed. An item that the catalogue does not know leaves
    the event without an item.
    """
    outcome = Accepted()
    if not events:
        return outcome
    people = await identities.resolve(connection, tenant, {event.identities for event in events}, keys)
    allowed = []
    for position, event in enumerate(events):
        if people[event.identities].consent is False:
            outcome.no_consent.append(position)
        else:
            allowed.append(position)
    fresh = await claim({events[position].message_id for position in allowed})
    for position in allowed:
        (outcome.landed if events[position].message_id in fresh else outcome.duplicates).append(position)
    if outcome.landed:
        chosen = [events[position] for position in outcome.landed]
        catalogue = await store.items(connection, tenant, {event.item_id for event in chosen if event.item_id})
        records = _records(tenant, chosen, people, catalogue, keys, source_no, outcome.unknown_items)
        if any(event.about for event in chosen):
            records = await _without_signals(connection, tenant, chosen, records)
        await store.add(connection, records)
        await _learn(connection, tenant, chosen, people)
    return outcome


def _records(
    tenant: int,
    events: Sequence[Event],
    people: dict[tuple[Identity, ...], Person],
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
        person = people[event.identities]
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


async def _learn(connection: AsyncConnection, tenant: int, events: Sequence[Event], people: dict[tuple[Identity, ...], Person]) -> None:
    """Keep what events tell about the people themselves; of several countries the one of the newest event."""
    newest: dict[int, Event] = {}
    traits: dict[int, dict[str, object]] = {}
    for event in events:
        number = people[event.identities].person_no
        if event.country and (number not in newest or newest[number].occurred_at <= event.occurred_at):
            newest[number] = event
        if event.traits:
            traits.setdefault(number, {}).update(event.traits)
    await identities.set_countries(connection, tenant, {number: event.country or "" for number, event in newest.items()})
    await identities.add_traits(connection, tenant, traits)
