"""Which node of a Redis Cluster holds which key, and by which marker one may tell that a node is whole.

Trust is by node: a replica that took over may lack the last writes, and a node may come back with an old copy of its data.
"""

import binascii
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from app.core.ids import marker_key
from app.core.redis_url import Endpoint

SLOTS = 16_384
Ranges = tuple[tuple[int, int], ...]
"""First and last slot of each stretch, ascending."""


@dataclass(frozen=True, slots=True)
class View:
    """What one node says of the Cluster: the epoch it has reached, and the slots of each master."""

    epoch: int
    owners: Mapping[Endpoint, Ranges]


def slot_of(key: str) -> int:
    """Return the slot of a key: of what stands between the first braces, if anything does."""
    stem = tagged_stem(key)
    return binascii.crc_hqx((stem[stem.index("{") + 1 : -1] if stem else key).encode(), 0) % SLOTS


def tagged_stem(key: str) -> str:
    """Return a key up to the end of its hash tag: keys that begin with the same lie in the same slot. Empty without a tag."""
    start = key.find("{")
    end = key.find("}", start + 1) if start >= 0 else -1
    return key[: end + 1] if end > start + 1 else ""


def read_view(info: Any, slots: Any, asked: Endpoint) -> View | None:
    """Read the replies of CLUSTER INFO and CLUSTER SLOTS of the node at `asked`; None when they say nothing of use."""
    if not isinstance(info, bytes | str) or not isinstance(slots, list):
        return None
    found: dict[Endpoint, list[tuple[int, int]]] = {}
    for first, last, master, *_ in slots:
        host = master[0].decode() if isinstance(master[0], bytes) else master[0]
        # a node that does not know its own address leaves it out: it is the one that was asked
        found.setdefault((host or asked[0], int(master[1])), []).append((int(first), int(last)))
    text = info.decode() if isinstance(info, bytes) else info
    epoch = next((int(line.partition(":")[2]) for line in text.splitlines() if line.startswith("cluster_current_epoch:")), 0)
    return View(epoch, {endpoint: tuple(sorted(ranges)) for endpoint, ranges in found.items()}) if found else None


def newest(views: Iterable[View]) -> View | None:
    """Choose whom to believe: a node that was cut off from the others lags behind in epochs."""
    return max(views, key=lambda view: (view.epoch, sum(b - a + 1 for ranges in view.owners.values() for a, b in ranges)), default=None)


def node_marker(tenant: int, ranges: Ranges | None) -> str:
    """Return the key of the marker that a node bears for a tenant: it lies in the first slot that is this node's own.

    `ranges` is None where Redis is not a Cluster.
    """
    return marker_key(tenant) if ranges is None else f"m:{{{_tag(ranges[0][0])}}}:whole:{tenant}"


def trusted_value(run_id: str, ranges: Ranges | None) -> str:
    """Return what the marker of a node says when the node is whole: its process, and the slots it was whole for.

    With the slots in it, keys that were moved here from a node that was not whole are not believed either.
    """
    if ranges is None or not run_id:
        return run_id
    return f"{run_id}:{hashlib.blake2b(repr(ranges).encode(), digest_size=8).hexdigest()}"


@lru_cache(maxsize=4096)
def _tag(slot: int) -> str:
    """Find a hash tag that lies in a slot; there is one among the first 150,000 numbers for every slot."""
    number = 0
    while binascii.crc_hqx(b"%d" % number, 0) % SLOTS != slot:
        number += 1
    return str(number)
