"""The value Redis keeps of a pinned answer with several parts: each as an answer of its own, beside what it started from.

Little-endian. Format u8 · recommendation id 16 bytes · parts u8, then for each: its place u8 · flags u8 (1 the seed was known, 2 it rests
on the person) · item number u32 of its seed · length u16 and bytes of its word · length u16 and bytes of its items, as `pin_codec` has
them. An answer without parts is one of `pin_codec`.
"""

import struct
from collections.abc import Callable
from typing import NamedTuple

from app.serving.model import pin_codec
from app.serving.model.composed import Seed
from app.serving.model.outcome import Outcome, Rung
from app.serving.snapshot.catalogue import Catalogue

FORMAT = 2
_HEAD, _PART = struct.Struct("<B16sB"), struct.Struct("<BBIHH")
_SEEDED, _OWN = 1, 2
_LONGEST = 60_000


class Pinned(NamedTuple):
    """A part as it was pinned."""

    place: int
    seed: Seed
    own: bool
    outcome: Outcome


def pack(outcome: Outcome, catalogue: Catalogue) -> bytes:
    """Encode an outcome, with its parts if it has some."""
    if not outcome.parts:
        return pin_codec.pack(outcome, catalogue)
    made = [_HEAD.pack(FORMAT, outcome.recommendation_id, len(outcome.parts))]
    for one in outcome.parts:
        word, items = one.seed.word.encode()[:_LONGEST], pin_codec.pack(one.outcome, catalogue)
        number = catalogue.numbers[one.seed.item] if one.seed.item >= 0 else 0
        flags = one.seed.known * _SEEDED | one.own * _OWN
        made += (_PART.pack(one.place, flags, number, len(word), len(items)), word, items)
    return b"".join(made)


def unpack(value: bytes | None, catalogue: Catalogue, numbered: Callable[[int], Rung | None]) -> tuple[bytes, list[Pinned]] | None:
    """Decode recommendation id and parts; None for nothing, another format or a damaged value.

    A part is left out whose seed, or rung, is not known any more.
    """
    if value is None or len(value) < _HEAD.size or value[0] != FORMAT:
        return None
    _, recommendation_id, count = _HEAD.unpack_from(value)
    at, found = _HEAD.size, list[Pinned]()
    try:
        for _ in range(count):
            place, flags, number, letters, length = _PART.unpack_from(value, at)
            at += _PART.size
            word, items = value[at : at + letters].decode(), value[at + letters : at + letters + length]
            at += letters + length
            item = catalogue.index_of_number(number) if number else -1
            outcome = pin_codec.unpack(items, catalogue, numbered)
            if outcome is not None and (item >= 0 or not number):
                found.append(Pinned(place, Seed(bool(flags & _SEEDED), item, word), bool(flags & _OWN), outcome))
    except (struct.error, UnicodeDecodeError):
        return None
    return (recommendation_id, found) if at == len(value) else None
