"""Numbers of item groups in few bytes: the low 16 bits as they are, the bits above in planes of one bit a number.

A shop of 100,000 groups needs 17 bits a group where plain 32-bit numbers would take almost twice that.
"""

import struct

import numpy as np
from numpy.typing import NDArray

MOST_PLANES = 16


def planes_for(numbers: NDArray[np.uint32]) -> int:
    """Return how many planes numbers below 2^32 need beside their low 16 bits."""
    return max(0, int(np.bitwise_or.reduce(numbers)).bit_length() - 16)


def size(count: int, planes: int) -> int:
    """Return the bytes that so many numbers take."""
    return 2 * count + planes * ((count + 7) // 8)


def pack_numbers(numbers: NDArray[np.uint32], planes: int) -> bytes:
    """Encode numbers below 2^(16 + planes)."""
    halves = np.ascontiguousarray(numbers, "<u4").view("<u2")
    low, high = halves[0::2].tobytes(), halves[1::2]
    if not planes:
        return low
    if planes == 1:  # packing takes whatever is not 0 for 1
        return low + np.packbits(high, bitorder="little").tobytes()
    return low + b"".join([np.packbits(high & (1 << plane), bitorder="little").tobytes() for plane in range(planes)])


def unpack_numbers(value: bytes, offset: int, count: int, planes: int) -> NDArray[np.uint32]:
    """Decode `count` numbers that begin at `offset`; the value must be long enough."""
    low = np.frombuffer(value, "<u2", count, offset)
    if not planes:
        return low.astype(np.uint32)
    row = (count + 7) // 8
    packed = np.frombuffer(value, np.uint8, planes * row, offset + 2 * count)
    halves = np.empty((count, 2), "<u2")
    halves[:, 0] = low
    if planes == 1:
        halves[:, 1] = np.unpackbits(packed, count=count, bitorder="little")
    else:
        bits = np.unpackbits(packed.reshape(planes, row), axis=1, count=count, bitorder="little")
        halves[:, 1] = np.left_shift(bits.T, np.arange(planes, dtype=np.uint16)).sum(1, dtype=np.uint16)
    return halves.view("<u4").reshape(count)


def first_numbers(value: bytes, offset: int, count: int, planes: int, few: int) -> list[int]:
    """Decode the first few of `count` numbers that begin at `offset`, one by one."""
    found = list(struct.unpack_from(f"<{few}H", value, offset))
    at, row = offset + 2 * count, (count + 7) // 8
    for plane in range(planes):
        bits = int.from_bytes(value[at : at + (few + 7) // 8], "little")
        found = [number | (bits >> place & 1) << 16 + plane for place, number in enumerate(found)]
        at += row
    return found
