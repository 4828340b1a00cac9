"""What a person takes in Redis: state and one scored list, with all that Redis itself needs for them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from redis import Redis

from app.core import ids
from app.core.embedded import services
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings
from app.data.profiles.state_codec import State, history_digest, pack_state
from app.serving.model import candidates
from benchmarks.serving.figures import tell

GROUPS = 100_000
HISTORY, LISTED = 50, 100
PLAIN_KIB, FULL_KIB = 1.0, 1.4
_NOW, _YEAR_S = 1_790_000_000, 365 * 86_400
_SAMPLE = 2_000


def measure(people: int) -> None:
    """Fill an empty Valkey with people of 50 groups and 100 candidates, once without and once with purchases and consent."""
    for name, most, wanted in (("history_and_candidates", 0, PLAIN_KIB), ("with_bought_set_and_consent", 100, FULL_KIB)):
        with (
            tempfile.TemporaryDirectory(prefix="morsel-bench-") as folder,
            services(Settings(data_dir=Path(folder), database_url="postgresql://not-used")) as urls,
        ):
            cache = Redis.from_url(urls.redis_url)
            mean, median = _filled(cache, people, most)
            cache.close()
        tell(f"redis_bytes_a_person_{name}_median", median, "bytes", most=1024 * wanted)
        tell(f"redis_bytes_a_person_{name}_mean", mean, "bytes")


def _filled(cache: Any, people: int, most_bought: int) -> tuple[float, float]:
    """Return the bytes a person: the growth of `used_memory`, and the median person.

    MEMORY USAGE of a key leaves the tables out that find it, so their share is what the mean person has beyond that of their keys.
    """
    before = cache.info("memory")["used_memory"]
    pipe = cache.pipeline(transaction=False)
    pairs = []
    for place, (keys, values) in enumerate(_people(people, most_bought)):
        pairs.append(keys)
        for key, value in zip(keys, values, strict=True):
            pipe.set(key, value, ex=90 * 86_400)
        if place % 5_000 == 4_999:
            pipe.execute()
    pipe.execute()
    mean = (cache.info("memory")["used_memory"] - before) / people
    sampled = pairs[:: max(1, people // _SAMPLE)]
    usage = [sum(cache.memory_usage(key, samples=0) for key in keys) for keys in sampled]
    return mean, float(np.median(usage)) + mean - float(np.mean(usage))


def _people(count: int, most_bought: int) -> Iterator[tuple[tuple[str, str], tuple[bytes, bytes]]]:
    random = np.random.default_rng(1)
    for person in range(count):
        key = ids.person_key(DEFAULT_TENANT, 1, f"customer-{person}")
        kinds = random.choice([2, 3, 5, 7], HISTORY, p=[0.2, 0.5, 0.1, 0.2]).astype(np.uint8)
        times = random.geometric(0.6, HISTORY).astype(np.uint16)
        bought = random.integers(5, most_bought + 1) if most_bought else 0
        state = State(
            1_790_000_000_000_000 + person,
            int(random.integers(1, 1 << 62)),
            True if most_bought else None,
            "GB",
            _NOW,
            random.choice(GROUPS, HISTORY, replace=False).astype(np.uint32),
            np.sort(_NOW - random.integers(0, 2 * _YEAR_S, HISTORY)).astype(np.uint32),
            kinds,
            times,
            np.where(kinds == 7, times * random.integers(1, 4, HISTORY), times).astype(np.float32),
            random.choice(GROUPS, bought, replace=False).astype(np.uint32),
            np.sort(20_000 + random.integers(0, 700, bought)).astype(np.uint16),
        )
        listed = random.choice(GROUPS, LISTED, replace=False)
        scores = np.sort(random.random(LISTED).astype(np.float32))[::-1]
        state_key, list_key = ids.person_keys(DEFAULT_TENANT, key, "personal", "0123456789ab", "")
        packed = pack_state(state)
        yield (state_key, list_key), (packed, candidates.pack(7, history_digest(packed), listed, scores))
