"""Clusters found anew: at once for a clustering that is published, hourly for all, and everybody whose label changes is told."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from app.core import changes, clock
from app.core.db import Database
from app.core.logging import log
from app.data import outbox
from app.data.conditions.language import Formula
from app.data.conditions.syntax import Wrong
from app.data.conditions.words import sentence
from app.data.facts import packed
from app.data.facts.domain import Seen
from app.data.facts.packed import PersonFacts
from app.data.facts.standing import Edges
from app.data.profiles.state_codec import view_state
from app.data.segments import store as segments
from app.data.segments.clusters import fitting, store
from app.data.segments.clusters.domain import Clustering, Model, features
from app.data.segments.domain import Program
from app.data.segments.programs import programs

EVERY = timedelta(hours=1)
SAMPLE = 20_000
AT_ONCE = 2_000


async def refresh(db: Database, tenant: int, *, force: bool = False) -> int:
    """Find clusters of what is due, all with `force`; return how many people get another label."""
    now = clock.now()
    async with db.begin() as connection:
        due = await store.due(connection, tenant, now + EVERY if force else now - EVERY, now)
        dropped = await store.drop(connection, tenant)
        if dropped:
            await changes.bump(connection, tenant, "facts")
    for one in due:
        model = await _found(db, tenant, one)
        async with db.begin() as connection:
            await store.keep(connection, tenant, one, model, now)
            await changes.bump(connection, tenant, "facts")
        log.info("clusters.found", tenant=tenant, clustering=one.name, clusters=len(model.clusters), people=model.sampled)
    return await _relabel(db, tenant) if due or dropped else 0


async def _found(db: Database, tenant: int, one: store.Due) -> Model:
    document = Clustering.model_validate(one.document)
    async with db.begin() as connection:
        program, edges = await programs(db).of(connection, tenant)
        rows = await segments.sample(connection, tenant, SAMPLE)
    try:
        wanted = features(document.features, program.facts)
    except Wrong as error:
        log.warning("clusters.unreadable", tenant=tenant, clustering=one.name, detail=str(error))
        return Model(features=list(document.features), scales=[], clusters=[], silhouette=0.0, sampled=0)
    return await asyncio.to_thread(_fitted, one, document, wanted, edges, rows)


def _fitted(one: store.Due, document: Clustering, wanted: Sequence[Formula], edges: Edges, rows: Sequence[Any]) -> Model:
    """Read people and fit; in a thread."""
    now, numbers = clock.now().timestamp(), [feature.number for feature in wanted]
    read = [[number(view) for number in numbers] for person in known(rows) for view in [Seen(person=person, now=now, edges=edges)]]
    values = np.array(read, np.float64).reshape(len(read), len(numbers))
    said = [words(feature) for feature in wanted]
    return fitting.found(values, document.features, said, document.k, one.before, anew=not one.same)


def known(rows: Sequence[Any]) -> list[PersonFacts]:
    """Return the people of (facts, state) who did something and allow personal content."""
    found = []
    for value, state in rows:
        person, view = packed.read(value), view_state(state)
        if person is not None and person.known and not (view is not None and view.consent is False):
            found.append(person)
    return found


def words(feature: Formula) -> str:
    """Return what a feature is called within a sentence."""
    said = sentence(feature.node, feature.facts)[:-1]
    return f"{said[:1].lower()}{said[1:]}"


async def _relabel(db: Database, tenant: int) -> int:
    """Hand everybody whose label is another one now to the outbox, which packs them anew and judges their segments."""
    after, moved = -1, 0
    while True:
        async with db.begin() as connection:
            program, edges = await programs(db).of(connection, tenant)
            rows = await store.page(connection, tenant, after, AT_ONCE)
            people = await asyncio.to_thread(_moved, program, edges, rows)
            if people:
                await outbox.post_many(connection, tenant, "traits", people)
        moved += len(people)
        if len(rows) < AT_ONCE:
            return moved
        after = rows[-1][0]


def _moved(program: Program, edges: Edges, rows: Sequence[Any]) -> list[int]:
    now, found = clock.now().timestamp(), []
    for number, value, state in rows:
        if (people := known([(value, state)])) and people[0].more.get("k", {}) != program.labels.of(
            Seen(person=people[0], now=now, edges=edges)
        ):
            found.append(number)
    return found
