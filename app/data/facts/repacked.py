"""Packed facts with one part changed, without unpacking the others."""

import struct
from collections.abc import Sequence
from typing import Any

import orjson

from app.data.facts.packed import HEAD


def with_seq(value: bytes, seq: int) -> bytes:
    """Return packed facts under another sequence number."""
    return value[:2] + struct.pack("<Q", seq) + value[10:]


def with_segments(value: bytes, segments: Sequence[int]) -> bytes:
    """Return packed facts of somebody who is in other segments."""
    head = list(HEAD.unpack_from(value))
    start = HEAD.size + sum(head[4:9])
    packed = struct.pack(f"<{len(segments)}I", *segments)
    end = start + head[9]
    head[9] = len(packed)
    return HEAD.pack(*head) + value[HEAD.size : start] + packed + value[end:]


def with_more(value: bytes, key: str, told: Any) -> bytes:
    """Return packed facts with something more told of the person."""
    head = list(HEAD.unpack_from(value))
    end = len(value) - head[10]
    more = orjson.dumps({**(orjson.loads(value[end:]) if head[10] else {}), key: told})
    head[10] = len(more)
    return HEAD.pack(*head) + value[HEAD.size : end] + more
