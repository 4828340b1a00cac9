"""Processes are killed at random moments under a stream of events: every event is there once, and states are those of a replay."""

import asyncio
import os
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from app.access import service as access
from app.access.domain import ClientKind, KeyKind, Scope
from app.access.schemas import NewClient, NewKey
from app.core import migrations
from app.core.db import Database
from app.core.embedded import services
from app.core.ids import DEFAULT_TENANT, IdentityKind, person_key, state_key
from app.core.settings import Settings
from app.data.catalogue.service import put_items
from app.data.events.accept import accept
from app.data.events.domain import message_key
from app.data.events.formats.segment_api import Arrival
from app.data.events.sources import tracking
from app.data.events.store import claim_messages
from app.data.identity.vault import DataKeys
from app.data.profiles import store
from app.data.profiles.compute import recompute
from app.data.profiles.state_codec import unpack_pointer, unpack_state
from tests.e2e import chaos

CATALOGUE = [{"id": f"i{number}", "title": f"Item {number}"} for number in range(chaos.ITEMS)]
_STATES = """
select i.key, s.state, s.profile, s.seq from person_identity i
join person p on p.tenant = i.tenant and p.person_no = i.person_no
join person_state s on s.tenant = i.tenant and s.person_no = p.root_no
"""
Known = dict[bytes, tuple[Any, bytes]]
"""By the key of each id: the state without its numbers, and the packed profile."""


def plain(state: bytes) -> Any:
    """Return what a packed state says, without the numbers that differ between two databases."""
    found = unpack_state(state)
    assert found is not None
    return [part.tolist() if hasattr(part, "tolist") else part for part in found[2:]]


async def known(db: Database) -> Known:
    """Return what PostgreSQL keeps of everybody."""
    return {row[0]: (plain(row[1]), row[2]) for row in await db.rows(_STATES)}


async def replayed(url: str, settings: Settings, messages: Sequence[dict[str, Any]]) -> Known:
    """Return what is known of everybody after the messages were stored in order, once each, in a database of their own."""
    await asyncio.to_thread(migrations.upgrade, url)
    db = Database(url)
    try:
        await put_items(db, settings, DEFAULT_TENANT, CATALOGUE)
        keys = DataKeys(settings)
        read = tracking.SOURCE.read_all(messages, Arrival(datetime.now(UTC))).events
        for first in range(0, len(read), 1_000):
            events = [event for message in read[first : first + 1_000] for event in message]
            async with db.begin() as connection:

                async def claim(ids: Any, connection: Any = connection) -> set[bytes]:
                    return await claim_messages(connection, DEFAULT_TENANT, ids)

                await accept(connection, DEFAULT_TENANT, events, keys=keys, claim=claim)
        for shard in range(store.SHARDS):
            people = await store.people(db, DEFAULT_TENANT, shard, -1, 100_000)
            await recompute(db, settings, DEFAULT_TENANT, shard, people)
        return await known(db)
    finally:
        await db.close()


async def in_redis(url: str, users: int) -> dict[bytes, Any]:
    """Return the state that Redis gives under the user id of each person, through a pointer where one stands."""
    found: dict[bytes, Any] = {}
    client = redis.asyncio.Redis.from_url(url)
    try:
        for number in range(users):
            key = person_key(DEFAULT_TENANT, IdentityKind.USER_ID, f"u{number}")
            value = await client.get(state_key(DEFAULT_TENANT, key))
            if value is not None and (primary := unpack_pointer(value)) is not None:
                value = await client.get(state_key(DEFAULT_TENANT, primary))
            found[key] = plain(value) if value is not None else None
    finally:
        await client.aclose()
    return found


async def survives(folder: Path, *, events: int, people: int, kills: int, seed: int, seconds: float) -> chaos.Told:
    """Send a stream into a whole Morsel while its processes die, then compare with a replay; returns what happened."""
    chance = random.Random(seed)
    messages = chaos.messages(events, people, chance)
    with chaos.town(folder / "data") as place:
        settings = Settings(data_dir=folder / "data", model_dir=folder / "models")
        with services(settings) as urls:
            db = Database(urls.database_url)
            await put_items(db, settings, DEFAULT_TENANT, CATALOGUE)
            wanted = NewClient(name="sender", kind=ClientKind.SERVICE, scopes=[Scope.EVENTS], rate_limit="1000000/minute")
            client = await access.create_client(db, settings, DEFAULT_TENANT, wanted)
            key = (await access.create_key(db, DEFAULT_TENANT, client.client_id, NewKey(kind=KeyKind.WRITE))).key
            await db.close()
            await asyncio.sleep(1.5)  # until the server knows the key
            bodies = chaos.batches(messages, chance)
            told = await asyncio.to_thread(chaos.stream, place, key, bodies, kills, chance, seconds)
            db = Database(urls.database_url)
            try:
                await _compare(db, urls.database_url, urls.redis_url, settings, messages, people)
            finally:
                await db.close()
    return told


async def _compare(
    db: Database, database_url: str, redis_url: str, settings: Settings, messages: Sequence[dict[str, Any]], people: int
) -> None:
    rows = await db.rows("select message_id, count(*) from event group by 1")
    wanted = {message_key(one["messageId"]): chaos.rows_of(one) for one in messages}
    assert {bytes(row[0]): row[1] for row in rows} == wanted
    name = database_url.partition("?")
    fresh = name[0].rpartition("/")[0] + "/replay?" + name[2]
    await _create(database_url)
    expected = await replayed(fresh, settings, messages)
    end = time.monotonic() + 60
    # the worker may still be at it, or starting again
    while (found := await known(db)) != expected:
        assert time.monotonic() < end, [(found.get(key), expected[key]) for key in expected if found.get(key) != expected[key]][:1]
        await asyncio.sleep(0.2)
    served: dict[bytes, Any] = {}
    while time.monotonic() < end:
        served = await in_redis(redis_url, people)
        if all(state == expected[key][0] for key, state in served.items()):
            break
        await asyncio.sleep(0.2)
    assert {key: expected[key][0] for key in served} == served


async def _create(url: str) -> None:
    database = Database(url)
    try:
        async with database.engine.connect() as connection:
            fresh = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await (await fresh.get_raw_connection()).driver_connection.execute("create database replay")  # type: ignore[union-attr]
    finally:
        await database.close()


async def test_every_event_is_there_once_and_states_are_those_of_a_replay_whatever_is_killed(tmp_path: Path) -> None:
    told = await survives(tmp_path, events=4_000, people=60, kills=6, seed=7, seconds=150)
    assert set(told.killed) == set(chaos.VICTIMS)


@pytest.mark.slow
async def test_a_hundred_thousand_events_survive_fifty_kills(tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
    print(f"seed {seed}")
    told = await survives(tmp_path, events=100_000, people=1_000, kills=50, seed=seed, seconds=1_500)
    assert len(told.killed) == 50
    assert told.tries > 0
