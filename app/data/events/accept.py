"""The one step through which every event enters: people, items, doubles, encryption, storage."""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from app.data import outbox
from app.data.events import store
from app.data.events.domain import Event, Flaw, order_key
from app.data.events.store import EventRow, SignalRow
from app.data.identity import merges
from app.data.identity import store as identities
from app.data.identity import told as traits
from app.data.identity.domain import MOST_IDS, Evidence, Identity, Person
from app.data.identity.merges import Told
from app.data.identity.purposes import ALLOWED, PERSONALISATION, Defaults
from app.data.identity.told import Said, Word
from app.data.identity.traits import IDENTIFY, left_out, micros
from app.data.identity.vault import ADDRESS, DataKeys, PersonCipher
from app.data.kinds import Signal

_OTHER_MONEY = "the price is in {} and the item's in the catalogue in {}: it was left out of sums"
# item number, group number and currency of an id
Known = tuple[int | None, int, str]
_NOT_KNOWN = None, None, ""
NOBODY = 0
_FOLLOWED = (Signal.OPEN, Signal.CLICK)
Claim = Callable[[Collection[bytes]], Awaitable[set[bytes]]]


@dataclass
class Accepted:
    """What became of a list of events; positions count from 0 in the list given."""

    landed: list[int] = field(default_factory=list)
    duplicates: list[int] = field(default_factory=list)
    no_consent: list[int] = field(default_factory=list)
    unknown_items: Counter[str] = field(default_factory=Counter)


# long: one transaction, in the order that its locks need
async def accept(
    connection: AsyncConnection,
    tenant: int,
    events: Sequence[Event],
    *,
    keys: DataKeys,
    claim: Claim,
    source_no: int | None = None,
    most_ids: int = MOST_IDS,
    defaults: Defaults = ALLOWED,
) -> Accepted:
    """Store events inside the connection's transaction.

    `claim` returns those of the given message ids that are new, and remembers them in the same transaction. Events of
    people who withdrew consent are not stored and their ids not claimed. An item that the catalogue does not know leaves
    the event without an item. A person gets at most `most_ids` ids. Clicks and opens
    of people who want no tracking, by their word or by `defaults`, are nobody's.
    """
    outcome = Accepted()
    if not events:
        return outcome
    people = await identities.resolve(connection, tenant, {i for event in events for i in (*event.identities, *event.former)}, keys)
    told = _told(events, people)
    if await _heard(connection, tenant, events, people, most_ids):
        people = await identities.resolve(connection, tenant, people, keys)
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
        catalogue = await _catalogue(connection, tenant, chosen)
        records = _records(tenant, chosen, people, catalogue, keys, source_no, outcome.unknown_items)
        if any(event.about for event in chosen):
            records = await _without_signals(connection, tenant, chosen, records, keys, defaults)
        await store.add(connection, records)
    if told:
        coming = {people[event.identities[0]].person_no for event in chosen}
        await merges.link(connection, tenant, told, most=most_ids, fresh=fresh, coming=coming)
    await _learn(connection, tenant, chosen, people)
    refused = [events[position] for position in outcome.no_consent]
    if changed := await traits.say(connection, tenant, IDENTIFY, _words(refused, people)):
        # no event of theirs brings it to their state
        for number in changed:
            await outbox.post(connection, tenant, "consent", number, {})
    return outcome


async def _catalogue(connection: AsyncConnection, tenant: int, events: Sequence[Event]) -> dict[str, Known]:
    """Return what is known of each id that events name; an id that no item has may be a group's, which has no item number."""
    found: dict[str, Known] = dict(await store.items(connection, tenant, {one.item_id for one in events if one.item_id}))
    lost = [one for one in events if one.item_id and one.item_id not in found]
    if others := {other for one in lost for other in one.others}:
        found |= await store.items(connection, tenant, others)
    unknown = {name for one in lost for name in (str(one.item_id), *one.others)} - found.keys()
    return found | {name: (None, group, "") for name, group in (await store.groups(connection, tenant, unknown)).items()}


def _item(event: Event, catalogue: Mapping[str, Known]) -> tuple[int | None, int | None, str]:
    """Return item number, group number and currency of an event: of its first id that an item has, else of its first that a group has."""
    if event.item_id is None:
        return _NOT_KNOWN
    known = catalogue.get(event.item_id)
    if known is not None and (known[0] is not None or not event.others):
        return known
    named = [one for name in (event.item_id, *event.others) if (one := catalogue.get(name)) is not None]
    return next((one for one in named if one[0] is not None), named[0] if named else _NOT_KNOWN)


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


# long: one row of the table, column by column
def _records(
    tenant: int,
    events: Sequence[Event],
    people: dict[Identity, Person],
    catalogue: Mapping[str, Known],
    keys: DataKeys,
    source_no: int | None,
    unknown: Counter[str],
) -> list[EventRow]:
    ciphers: dict[int, PersonCipher] = {}
    orders: dict[str | None, int | None] = {None: None}
    records = []
    for event in events:
        person = people[event.identities[0]]
        number = person.person_no
        item_no, group_no, currency = _item(event, catalogue)
        if event.value and event.currency and currency and event.currency != currency:
            # sums have one currency: other money is not added to it
            event.flaws = (*event.flaws, Flaw("currency", _OTHER_MONEY.format(event.currency, currency)))
            event.value = None
        if event.item_id and group_no is None:
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
            EventRow(
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
                event.public,
            )
        )
    return records


async def _without_signals(
    connection: AsyncConnection, tenant: int, events: Sequence[Event], records: list[EventRow], keys: DataKeys, defaults: Defaults
) -> list[EventRow]:
    """Store the signals among records; return the others."""
    told = [event.about for event in events if event.about]
    followed = {record.person_no for event, record in zip(events, records, strict=True) if event.about and event.about.signal in _FOLLOWED}
    silent = await traits.untracked(connection, tenant, followed, defaults)
    numbers = await store.placements(connection, tenant, {about.placement for about in told if about.placement})
    plain, signals = [], []
    for event, record in zip(events, records, strict=True):
        if event.about is None:
            plain.append(record)
            continue
        about = event.about
        placement_no = numbers.get(about.placement) if about.placement else None
        campaign = keys.stand_in(tenant, about.campaign) if about.campaign else None
        if campaign != about.campaign:
            event.flaws = (*event.flaws, Flaw("campaign", ADDRESS.format("campaign", "a keyed hash")))
        recommendation = about.recommendation_id
        if about.signal in _FOLLOWED and record.person_no in silent:
            record, recommendation = record._replace(person_no=NOBODY, payload=None, order_key=None), None
        signals.append((record, SignalRow(about.signal, about.mark, about.client, recommendation, campaign, placement_no)))
    await store.add_signals(connection, signals)
    return plain


async def _learn(connection: AsyncConnection, tenant: int, events: Sequence[Event], people: dict[Identity, Person]) -> None:
    """Keep what events tell about the people themselves, as the newest of them tells it."""
    countries: dict[int, tuple[str, datetime]] = {}
    told: list[tuple[Event, Said]] = []
    for event in sorted((event for event in events if event.country or event.traits), key=lambda one: (one.occurred_at, one.message_id)):
        number = people[event.identities[0]].person_no
        if event.country:
            countries[number] = max(
                countries.get(number, (event.country, event.occurred_at)), (event.country, event.occurred_at), key=_last
            )
        told += [(event, Said(number, name, value, micros(event.occurred_at))) for name, value in (event.traits or {}).items()]
    words = _words(events, people)
    if words and (told or countries):
        # all at once: what comes is told of one and the same people in several steps
        await traits.lock(connection, tenant, {*countries, *(one.person_no for _, one in told), *(one.person_no for one in words)})
    await traits.say(connection, tenant, IDENTIFY, words)
    await identities.set_countries(connection, tenant, countries)
    for place, why in (await traits.add(connection, tenant, IDENTIFY, [one for _, one in told])).items():
        event, said = told[place]
        event.flaws = (*event.flaws, Flaw("trait", left_out(said.name, why)))


def _words(events: Sequence[Event], people: dict[Identity, Person]) -> list[Word]:
    return [
        Word(people[event.identities[0]].person_no, event.purposes or {}, event.gpc, micros(event.occurred_at))
        for event in events
        if event.purposes or event.gpc
    ]


async def _heard(
    connection: AsyncConnection, tenant: int, events: Sequence[Event], people: dict[Identity, Person], most_ids: int
) -> bool:  # fmt: skip
    """Store what events say of personal answers where it is another word than the one that holds, and newer; tell whether there was one."""
    newest: dict[int, tuple[datetime, bool]] = {}
    for event in events:
        said = (event.purposes or {}).get(PERSONALISATION)
        person = people[event.identities[0]]
        if said is not None and said is not person.consent:
            word = (event.occurred_at, said)
            newest[person.person_no] = max(newest.get(person.person_no, word), word, key=lambda one: (one[0], not one[1]))
    if not newest:
        return False
    since = await identities.consent_moments(connection, tenant, list(newest))
    heard = {number: word for number, word in newest.items() if number not in since or word[0] > since[number]}
    for number, (at, granted) in sorted(heard.items()):
        await merges.say(connection, tenant, number, granted, most_ids, at)
        await outbox.post(connection, tenant, "consent", number, {})
    return bool(heard)


def _last(country: tuple[str, datetime]) -> tuple[datetime, str]:
    return country[1], country[0]
