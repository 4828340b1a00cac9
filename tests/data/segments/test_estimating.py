"""Estimates of large shops rest on a sample, and say between what the size lies."""

import pytest

from app.core.db import Database
from app.core.settings import Settings
from app.data.facts import packed
from app.data.facts.packed import Unpacked
from app.data.profiles.state_codec import empty_state, pack_state
from app.data.segments import estimating

PEOPLE, IN_IT, SAMPLE = 4_000, 1_000, 800


async def test_of_many_people_a_sample_is_looked_at_and_the_size_lies_within_what_is_told(
    db: Database, settings: Settings, tenant: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimating, "SAMPLE", SAMPLE)
    told = {True: packed.pack(b"", Unpacked({}, [], [], more={"t": {"tier": "gold"}})), False: packed.pack(b"", Unpacked({}, [], []))}
    state = pack_state(empty_state(1, 3, None))
    for gold, value in told.items():
        await db.run(
            "insert into person_state (tenant, person_no, key, shard, seq, state, facts) "
            "select :tenant, abs(hashint8extended(n, 0)) >> 2, int8send(n), 0, 1, :state, :value "
            "from generate_series(cast(1 as bigint), cast(:people as bigint)) n where (n % 4 = 0) = :gold",
            tenant=tenant, state=state, value=value, gold=gold, people=PEOPLE,
        )  # fmt: skip
    wanted, _ = await estimating.read(db, tenant, 'trait.tier = "gold"')
    found = await estimating.estimate(db, tenant, wanted)
    assert (found.people, found.sampled) == (PEOPLE, SAMPLE)
    assert found.low <= IN_IT <= found.high
    assert found.low < found.size < found.high < PEOPLE
