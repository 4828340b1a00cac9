"""From a person's facts to their packed state, in one transaction that owns the shard."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.core.db import Database
from app.core.settings import Settings
from app.data.people import store
from app.data.people.online import LARGEST_TIMES, State, empty_state, pack_state
from app.data.people.publish import Published

PEOPLE_AT_ONCE = 500


def state_from(record: Any, seq: int) -> State:
    """Build a state from one record of `store.facts`; a person who withdrew consent keeps no history."""
    consent = None if record["consent"] is None else bool(record["consent"])
    if consent is False:
        return empty_state(seq, record["person_no"], consent)
    groups, bought = record["groups"] or [], record["bought"] or []
    return State(
        seq,
        record["person_no"],
        consent,
        record["country"],
        record["last_seen"],
        np.array(groups, np.uint32),
        np.clip(np.array(record["last_at"] or [], np.int64), 0, 0xFFFFFFFF).astype(np.uint32),
        np.array(record["kinds"] or [], np.uint8),
        np.minimum(np.array(record["times"] or [], np.int64), LARGEST_TIMES).astype(np.uint16),
        np.array(record["amounts"] or [], np.float32),
        np.array(bought, np.uint32),
        np.clip(np.array(record["days"] or [], np.int64), 0, 0xFFFF).astype(np.uint16),
    )


async def recompute(db: Database, settings: Settings, tenant: int, shard: int, people: Sequence[int]) -> list[Published]:
    """Compute and store the states of people of one shard from all their events; return what Redis must be told.

    The shard's lock is taken before anything is read, so a later sequence number always stands for a later reading.
    """
    async with db.begin() as connection:
        await store.own(connection, tenant, shard)
        records = await store.facts(connection, tenant, people, settings.history_items, settings.bought_items)
        keys = await store.keys(connection, tenant, people)
        known = [record for record in records if record["person_no"] in keys]
        if not known:
            return []
        rows, published = [], []
        for record, seq in zip(known, await store.sequence(connection, len(known)), strict=True):
            person = record["person_no"]
            primary, others = keys[person]
            packed = pack_state(state_from(record, seq))
            rows.append((person, primary, shard, seq, packed))
            published.append(Published(primary, packed, others, person))
        await store.keep(connection, tenant, rows)
    return published
