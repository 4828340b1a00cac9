"""Brings a generated shop in through the doors that every shop uses: catalogue, events, consent, states, models."""

import struct
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from app.core.db import Database
from app.core.partitions import ensure_partitions
from app.core.settings import Settings
from app.data.catalogue.service import MOST_ITEMS, put_items
from app.data.events.accept import accept
from app.data.events.domain import Event
from app.data.identity.vault import DataKeys
from app.data.imports.readahead import ahead
from app.data.kinds import Kind
from app.demo import store
from app.demo.shop.catalogue import documents
from app.demo.shop.generator import Shop
from app.demo.shop.vocabulary import CATEGORIES, COUNTRIES, STYLES
from app.demo.state import Sample

_CHUNK = 25_000
_SAMPLES = 20
STRANGER = "nobody-knows-me"


class NotOurs(RuntimeError):
    """The database already holds a catalogue that the demo did not make."""


async def put_catalogue(db: Database, settings: Settings, tenant: int, shop: Shop, base_url: str) -> None:
    """Add or change all items, whose links and pictures lie below `base_url`."""
    every = documents(shop.catalogue, shop.now, base_url)
    for first in range(0, len(every), MOST_ITEMS):
        outcome = await put_items(db, settings, tenant, every[first : first + MOST_ITEMS])
        if outcome.refused:
            raise RuntimeError(f"a generated item was refused: {outcome.refused[0][1]}")


async def put_events(db: Database, settings: Settings, tenant: int, shop: Shop) -> int:
    """Store all events in one transaction, so that an interrupted start leaves none behind; return how many."""
    await ensure_partitions(db)
    landed, keys = 0, DataKeys(settings)
    async with db.begin() as connection, aclosing(_chunks(shop)) as chunks:
        source_no = await store.add_source(connection, tenant)
        async for events in chunks:
            outcome = await accept(connection, tenant, events, keys=keys, claim=_all_new, source_no=source_no)
            landed += len(outcome.landed)
    await store.analyze(db)
    return landed


async def _all_new(ids: Collection[bytes]) -> set[bytes]:
    # the source is new, and every event has a number of its own
    return set(ids)


def _chunks(shop: Shop) -> AsyncGenerator[list[Event], None]:
    events, people = shop.events, shop.people
    names = _Names(shop.catalogue.item_ids(), [((1, people.user_id(person)),) for person in range(len(people.activity))])
    # one event a person tells the country: that is enough, and spares half a million updates
    tells = np.zeros(len(events), bool)
    tells[np.unique(events.person, return_index=True)[1]] = True
    starts = iter(range(0, len(events), _CHUNK))

    def read() -> list[Event] | None:
        first = next(starts, None)
        return None if first is None else _events(shop, names, tells, slice(first, first + _CHUNK))

    return ahead(read)


@dataclass(frozen=True)
class _Names:
    items: list[str]
    people: list[tuple[tuple[int, str], ...]]


def _events(shop: Shop, names: _Names, tells: NDArray[np.bool_], part: slice) -> list[Event]:
    events, prices, country = shop.events, shop.catalogue.price, shop.people.country
    columns = (events.person, events.item, events.group, events.kind, events.second, events.order, events.quantity, tells)
    made = []
    for number, (person, item, group, kind, second, order, quantity, telling) in enumerate(
        zip(*(column[part].tolist() for column in columns), strict=True), part.start
    ):
        made.append(
            Event(
                datetime.fromtimestamp(second, UTC),
                struct.pack(">8sQ", b"demoshop", number),
                names.people[person],
                Kind(kind),
                item_id=names.items[item],
                order_id=f"D{order}" if order >= 0 else None,
                quantity=float(quantity),
                value=float(prices[group]),
                country=COUNTRIES[country[person]][0] if telling else None,
            )
        )
    return made


def samples(shop: Shop) -> tuple[list[Sample], str]:
    """Return people worth showing, of every style and both departments, and the id of one who withdraws consent."""
    people, events = shop.people, shop.events
    count = np.bincount(events.person, minlength=len(people.activity))
    bought = np.bincount(events.person[events.kind == Kind.PURCHASE], minlength=len(people.activity))
    main = people.styles.argmax(axis=1)
    shown: list[int] = []
    for turn in range(_SAMPLES + 1):
        style, department = turn % len(STYLES), (turn // len(STYLES) + turn) % 2
        fitting = (main == style) & (people.department == department) & (count >= 15) & (count <= 80) & (bought >= 2)
        free = [person for person in np.flatnonzero(fitting) if person not in shown]
        # in a small shop a style may have nobody: whoever did most stands in
        shown.append(int(free[0]) if free else int(next(p for p in np.argsort(-count) if p not in shown)))
    *offered, withdrawn = shown
    return [_sample(shop, person) for person in offered], people.user_id(withdrawn)


def _sample(shop: Shop, person: int) -> Sample:
    people = shop.people
    style, second = (STYLES[number].name for number in np.argsort(-people.styles[person])[:2])
    own = people.categories[person] * np.array([c.department == ("Women", "Men")[people.department[person]] for c in CATEGORIES])
    category = CATEGORIES[int(own.argmax())].name.partition(" > ")[2].lower()
    spends = ("careful with money", "mid-price", "likes it dear")[min(2, int(people.band[person] * 3))]
    about = f"{style}, some {second}; {category}; {spends}; {COUNTRIES[people.country[person]][0]}"
    return Sample(people.user_id(person), people.name(person), about)


def show_items(shop: Shop, most: int = 20) -> list[str]:
    """Return ids of items that can be bought, one of each of the first categories."""
    first = np.unique(shop.catalogue.category, return_index=True)[1]
    every = shop.catalogue.item_ids()
    found = []
    for group in first:
        variants = range(shop.catalogue.first[group], shop.catalogue.first[group] + shop.catalogue.variants[group])
        found += [every[variant] for variant in variants if shop.catalogue.available[variant]][:1]
    return found[:most]
