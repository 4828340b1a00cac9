"""The value Redis and PostgreSQL keep of a person for serving: a state, or a pointer from a linked id to it.

Both begin with format u8 · flags u8 · seq u64, so that of two values of a key the later one is known. A pointer goes on with the key
of 12 bytes that it leads to; with zeros there it leads nowhere.

Little-endian. A state is a head of 30 bytes (format u8 · flags u8 · seq u64 · person_no u64 · last_seen u32 · history length u16 ·
bought length u16 · country length u8 · layout u8), then what was bought, the country, and the history, each column in as few bytes
as its values need:

- bought: group numbers u16, or u32 when one needs it; days since 1970 u16.
- history: newest moment u32 and unit u16 of the ages; group numbers as in `app.core.group_numbers`; ages before the newest moment in
  units, u16; kind and times together u8, or kind u8 and times u16; amounts, when they differ from the times, as u8, f16 or f32.
"""

# long: packing and unpacking of one format stand together

import struct
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.core import group_numbers

STATE_FORMAT = 3
POINTER_FORMAT = 4
FACTS_FORMAT = 5
"""Of the facts beside a state, which begin alike: `app.data.facts.packed`."""
LARGEST_TIMES = 65_535
SECONDS_A_DAY = 86_400
AMOUNT_ERROR = 0.001
"""Largest relative error of an amount that was packed in 16 bits."""

_HEAD = struct.Struct("<BBQQIHHBB")
# what comes before says which reading it was, whose, and when they were seen last
_HISTORY_AT = 22
_SEQ = struct.Struct("<xxQ")
_AGES = struct.Struct("<IH")
_CONSENT_FLAG: dict[bool | None, int] = {None: 0, True: 1, False: 2}
_CONSENT: tuple[bool | None, ...] = (None, True, False, None)
_POINTER = struct.Struct("<BBQ12s")
_LARGEST_AGE = 65_535
_LARGEST_UNIT_S = 3_600
# flags: bits 0 and 1 consent, 2 and 3 how amounts are written, 4 and 5 what was said of tracking, as consent; 6 and 7 are free
_AMOUNT_SHIFT, _TRACKING_SHIFT = 2, 4
_SAME, _BYTE, _HALF, _WHOLE = range(4)
_AMOUNT_TYPE = ("", "u1", "<f2", "<f4")
_AMOUNT_SIZE = (0, 1, 2, 4)
# layout: bits 0 to 4 planes of the history's groups, 5 bought groups are u32, 6 kind and times stand apart, 7 ages are u32 seconds
_PLANES, _WIDE_BOUGHT, _WIDE_COUNTS, _WIDE_AGES = 31, 32, 64, 128


class State(NamedTuple):
    """What serving needs of a person.

    History arrays have length H, oldest first: `groups` group numbers, `last_at` the last event in unix seconds, `kinds`
    the strongest kind, `times` and `amounts` of that kind (`times` stops at 65,535). Bought arrays have length B, newest
    last: `bought` group numbers, `bought_day` the last purchase in days since 1970. `last_seen` is in unix seconds, 0 for
    never. `consent` and `tracking` are None for a person who said nothing. Decoded arrays may be read-only views.

    What comes back from a packed state: moments to within half the unit (1/65,535 of the history's span, at most half an hour off;
    exact where it spans more than 7.4 years), amounts that are not small whole numbers to within 0.1 %; all else exactly.
    """

    seq: int
    person_no: int
    consent: bool | None
    country: str
    last_seen: int
    groups: NDArray[np.uint32]
    last_at: NDArray[np.uint32]
    kinds: NDArray[np.uint8]
    times: NDArray[np.uint16]
    amounts: NDArray[np.float32]
    bought: NDArray[np.uint32]
    bought_day: NDArray[np.uint16]
    tracking: bool | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """A packed state, the key it lies under, the keys that point to it, whose it is, and the packed facts, empty for none."""

    key: bytes
    state: bytes
    others: Sequence[bytes]
    person_no: int
    facts: bytes = b""


def pack_state(state: State) -> bytes:
    """Encode a state; a country longer than 255 bytes is left out."""
    country = state.country.encode()
    if len(country) > 255:
        country = b""
    bought, wide = np.asarray(state.bought, np.uint32), 0
    if group_numbers.planes_for(bought):
        wide = _WIDE_BOUGHT
    history, layout, amounts = _pack_history(state) if len(state.groups) else (b"", 0, _SAME)
    head = _HEAD.pack(
        STATE_FORMAT,
        _CONSENT_FLAG[state.consent] | amounts << _AMOUNT_SHIFT | _CONSENT_FLAG[state.tracking] << _TRACKING_SHIFT,
        state.seq,
        state.person_no,
        min(max(state.last_seen, 0), 0xFFFFFFFF),
        len(state.groups),
        len(bought),
        len(country),
        layout | wide,
    )
    return b"".join((head, bought.astype("<u4" if wide else "<u2").tobytes(), _bytes(state.bought_day, "<u2"), country, history))


def _pack_history(state: State) -> tuple[bytes, int, int]:
    """Return the history's bytes, its bits of the layout, and how amounts are written."""
    groups = np.asarray(state.groups, np.uint32)
    planes = group_numbers.planes_for(groups)
    last_at = np.asarray(state.last_at, np.int64)
    newest = int(np.maximum.reduce(last_at))
    unit = -(-(newest - int(np.minimum.reduce(last_at))) // _LARGEST_AGE) or 1
    layout = planes
    if unit > _LARGEST_UNIT_S:
        layout |= _WIDE_AGES
        ages = (newest - last_at).astype("<u4").tobytes()
    else:
        # rounding must not lead before 1970
        ages = np.minimum((newest - last_at + unit // 2) // unit, newest // unit).astype("<u2").tobytes()
    kinds, times = np.asarray(state.kinds, np.uint8), np.minimum(state.times, LARGEST_TIMES)
    if np.maximum.reduce(kinds) > 7 or np.maximum.reduce(times) > 31:
        layout |= _WIDE_COUNTS
        counts = kinds.tobytes() + times.astype("<u2").tobytes()
    else:
        counts = (kinds | times << 3).astype(np.uint8).tobytes()
    amounts, how = _pack_amounts(np.asarray(state.amounts, np.float32), times)
    head = _AGES.pack(newest, min(unit, _LARGEST_AGE))
    return b"".join((head, group_numbers.pack_numbers(groups, planes), ages, counts, amounts)), layout, how


def _pack_amounts(amounts: NDArray[np.float32], times: NDArray[np.generic]) -> tuple[bytes, int]:
    if (amounts == times).all():
        return b"", _SAME
    with np.errstate(over="ignore", invalid="ignore"):
        small = amounts.astype(np.uint8)
        if (small == amounts).all():
            return small.tobytes(), _BYTE
        half = amounts.astype("<f2")
        if (np.abs(half.astype(np.float32) - amounts) <= AMOUNT_ERROR * np.abs(amounts)).all():
            return half.tobytes(), _HALF
    return amounts.astype("<f4").tobytes(), _WHOLE


def unpack_state(value: bytes) -> State | None:
    """Decode a state; None for another format or a damaged value."""
    if len(value) < _HEAD.size or value[0] != STATE_FORMAT:
        return None
    _, flags, seq, person_no, last_seen, h, b, c, layout = _HEAD.unpack_from(value)
    wide, planes, how = layout & _WIDE_BOUGHT, layout & _PLANES, flags >> _AMOUNT_SHIFT & 3
    day_at = _HEAD.size + (4 if wide else 2) * b
    country_at = day_at + 2 * b
    history_at = country_at + c
    if planes > group_numbers.MOST_PLANES or len(value) != history_at + _history_size(h, layout, how):
        return None
    try:
        country = value[country_at:history_at].decode() if c else ""
    except UnicodeDecodeError:
        return None
    read = np.frombuffer
    history = _unpack_history(value, history_at, h, layout, how) if h else _NO_HISTORY
    bought = read(value, "<u4" if wide else "<u2", b, _HEAD.size).astype(np.uint32)
    tracking = _CONSENT[flags >> _TRACKING_SHIFT & 3]
    return State(seq, person_no, _CONSENT[flags & 3], country, last_seen, *history, bought, read(value, "<u2", b, day_at), tracking)


_NATIVE = sys.byteorder == "little"
_Columns = tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint8], NDArray[np.uint16], NDArray[np.float32]]
_NO_HISTORY: _Columns = (
    np.zeros(0, np.uint32), np.zeros(0, np.uint32), np.zeros(0, np.uint8), np.zeros(0, np.uint16), np.zeros(0, np.float32)
)  # fmt: skip


def _history_size(count: int, layout: int, how: int) -> int:
    if not count:
        return 0
    one = (4 if layout & _WIDE_AGES else 2) + (3 if layout & _WIDE_COUNTS else 1) + _AMOUNT_SIZE[how]
    return _AGES.size + group_numbers.size(count, layout & _PLANES) + one * count


def _unpack_history(value: bytes, at: int, count: int, layout: int, how: int) -> _Columns:
    read, planes = np.frombuffer, layout & _PLANES
    newest, unit = _AGES.unpack_from(value, at)
    at += _AGES.size
    groups = group_numbers.unpack_numbers(value, at, count, planes)
    at += group_numbers.size(count, planes)
    if layout & _WIDE_AGES:
        last_at = np.uint32(newest) - read(value, "<u4", count, at)
        at += 4 * count
    else:
        last_at = np.uint32(newest) - read(value, "<u2", count, at) * np.uint32(unit)
        at += 2 * count
    kinds: NDArray[np.uint8] = read(value, np.uint8, count, at)
    at += count
    if layout & _WIDE_COUNTS:
        times = read(value, "<u2", count, at)
        at += 2 * count
    else:
        times, kinds = np.right_shift(kinds, 3, dtype=np.uint16), kinds & np.uint8(7)
    amounts = (read(value, _AMOUNT_TYPE[how], count, at) if how else times).astype(np.float32)
    return groups, last_at, kinds, times, amounts


class StateView:
    """A packed state that is decoded only as far as it is read: most answers need the head and the bought set alone.

    The fields are those of `State`; arrays are read-only views. `facts` are there only where they were read along from PostgreSQL.
    """

    __slots__ = ("_layout", "_value", "bought_count", "consent", "facts", "groups_count", "person_no", "seq", "tracking")
    facts: bytes

    def __init__(self, value: bytes) -> None:
        _, flags, self.seq, self.person_no, _, self.groups_count, self.bought_count, _, self._layout = _HEAD.unpack_from(value)
        self.consent = _CONSENT[flags & 3]
        self.tracking: bool | None = _CONSENT[flags >> _TRACKING_SHIFT & 3]
        self._value = value

    def whole(self) -> State | None:
        """Decode everything; None for a damaged value."""
        state = unpack_state(self._value)
        if state is None or state.consent is self.consent:
            return state
        return state._replace(consent=self.consent)

    @property
    def digest(self) -> int:
        """What tells the history from another one."""
        return history_digest(self._value)

    @property
    def country(self) -> str:
        """The country, empty for none, and for a damaged value."""
        state = unpack_state(self._value)
        return "" if state is None else state.country

    @property
    def groups(self) -> NDArray[np.uint32]:
        """Group numbers of the history, oldest first; none for a damaged value."""
        state = unpack_state(self._value)
        return _NO_HISTORY[0] if state is None else state.groups

    @property
    def bought(self) -> NDArray[np.uint16] | NDArray[np.uint32]:
        """Group numbers bought, newest last."""
        return np.frombuffer(self._value, "<u4" if self._layout & _WIDE_BOUGHT else "<u2", self.bought_count, _HEAD.size)

    def bought_numbers(self) -> frozenset[int]:
        """Return the group numbers bought, for looking them up one by one."""
        if not _NATIVE:
            return frozenset(self.bought.tolist())
        wide = self._layout & _WIDE_BOUGHT
        view = memoryview(self._value)[_HEAD.size : _HEAD.size + (4 if wide else 2) * self.bought_count]
        return frozenset(view.cast("I") if wide else view.cast("H"))


def view_state(value: bytes | None) -> StateView | None:
    """Look into a packed state; None for nothing, another format or a value of the wrong length."""
    if value is None or len(value) < _HEAD.size or value[0] != STATE_FORMAT:
        return None
    view = StateView(value)
    return view if len(value) >= _HEAD.size + (4 if view._layout & _WIDE_BOUGHT else 2) * view.bought_count else None


def history_digest(value: bytes) -> int:
    """Return a number that tells what somebody did and bought from anything else, and does not change when it is read anew."""
    return zlib.crc32(memoryview(value)[_HISTORY_AT:])


def state_seq(value: bytes) -> int | None:
    """Return the sequence number alone, without decoding the rest; None for another format."""
    if len(value) < _HEAD.size or value[0] != STATE_FORMAT:
        return None
    return int(_SEQ.unpack_from(value)[0])


def pack_pointer(primary: bytes, seq: int) -> bytes:
    """Encode a pointer to the state under another key, as of the reading `seq`."""
    return _POINTER.pack(POINTER_FORMAT, 0, seq, primary)


def unpack_pointer(value: bytes) -> bytes | None:
    """Return the key that a pointer names; None when the value is no pointer."""
    if len(value) != _POINTER.size or value[0] != POINTER_FORMAT:
        return None
    return value[-12:]


def empty_state(
    seq: int, person_no: int, consent: bool | None, country: str = "", last_seen: int = 0, tracking: bool | None = None
) -> State:  # fmt: skip
    """Return a state without history."""
    wide, narrow = np.zeros(0, np.uint32), np.zeros(0, np.uint16)
    return State(seq, person_no, consent, country, last_seen, *_NO_HISTORY, wide, narrow, tracking)


def _bytes(array: NDArray[np.generic], kind: str) -> bytes:
    return np.ascontiguousarray(array, dtype=kind).tobytes()
