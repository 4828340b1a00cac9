"""The value Redis and PostgreSQL keep of a person for serving: a state, or a pointer from a linked id to it.

Little-endian. State: format u8 · flags u8 · seq u64 · person_no u64 · last_seen u32 · history length u16 · bought length
u16 · country length u8 · 1 byte free, then the arrays one after the other, widest first, then the country.
"""

import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

STATE_FORMAT = 1
POINTER_FORMAT = 2
LARGEST_TIMES = 65_535
SECONDS_A_DAY = 86_400

_HEAD = struct.Struct("<BBQQIHHBx")
_SEQ = struct.Struct("<xxQ")
_CONSENT_FLAG: dict[bool | None, int] = {None: 0, True: 1, False: 2}
_CONSENT: tuple[bool | None, ...] = (None, True, False, None)
_KEY_BYTES = 12


class State(NamedTuple):
    """What serving needs of a person.

    History arrays have length H, oldest first: `groups` group numbers, `last_at` the last event in unix seconds, `kinds`
    the strongest kind, `times` and `amounts` of that kind (`times` stops at 65,535). Bought arrays have length B, newest
    last: `bought` group numbers, `bought_day` the last purchase in days since 1970. `last_seen` is in unix seconds, 0 for
    never. `consent` is None for a person who said nothing. Decoded arrays are read-only views.
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


def pack_state(state: State) -> bytes:
    """Encode a state; a country longer than 255 bytes is left out."""
    country = state.country.encode()
    if len(country) > 255:
        country = b""
    head = _HEAD.pack(
        STATE_FORMAT,
        _CONSENT_FLAG[state.consent],
        state.seq,
        state.person_no,
        min(max(state.last_seen, 0), 0xFFFFFFFF),
        len(state.groups),
        len(state.bought),
        len(country),
    )
    parts = (
        _bytes(state.groups, "<u4"),
        _bytes(state.last_at, "<u4"),
        _bytes(state.amounts, "<f4"),
        _bytes(state.bought, "<u4"),
        _bytes(np.minimum(state.times, LARGEST_TIMES), "<u2"),
        _bytes(state.bought_day, "<u2"),
        _bytes(state.kinds, "<u1"),
    )
    return head + b"".join(parts) + country


def unpack_state(value: bytes) -> State | None:
    """Decode a state; None for another format or a damaged value."""
    if len(value) < _HEAD.size or value[0] != STATE_FORMAT:
        return None
    _, flags, seq, person_no, last_seen, h, b, c = _HEAD.unpack_from(value)
    bought_at = _HEAD.size + 12 * h
    times_at = bought_at + 4 * b
    day_at = times_at + 2 * h
    kinds_at = day_at + 2 * b
    end = kinds_at + h
    if len(value) != end + c:
        return None
    read = np.frombuffer
    try:
        country = value[end:].decode() if c else ""
    except UnicodeDecodeError:
        return None
    return State(
        seq,
        person_no,
        _CONSENT[flags & 3],
        country,
        last_seen,
        read(value, "<u4", h, _HEAD.size),
        read(value, "<u4", h, _HEAD.size + 4 * h),
        read(value, "<u1", h, kinds_at),
        read(value, "<u2", h, times_at),
        read(value, "<f4", h, _HEAD.size + 8 * h),
        read(value, "<u4", b, bought_at),
        read(value, "<u2", b, day_at),
    )


class StateView:
    """A packed state that is decoded only as far as it is read: most answers need the head and the bought set alone.

    The fields are those of `State`; arrays are read-only views.
    """

    __slots__ = ("_bought_at", "_value", "bought_count", "consent", "groups_count", "person_no", "seq")

    def __init__(self, value: bytes) -> None:
        _, flags, self.seq, self.person_no, _, self.groups_count, self.bought_count, _ = _HEAD.unpack_from(value)
        self.consent = _CONSENT[flags & 3]
        self._value = value
        self._bought_at = _HEAD.size + 12 * self.groups_count

    def whole(self) -> State | None:
        """Decode everything; None for a damaged value."""
        state = unpack_state(self._value)
        return None if state is None else state._replace(consent=self.consent)

    @property
    def groups(self) -> NDArray[np.uint32]:
        """Group numbers of the history, oldest first."""
        return np.frombuffer(self._value, "<u4", self.groups_count, _HEAD.size)

    @property
    def bought(self) -> NDArray[np.uint32]:
        """Group numbers bought, newest last."""
        return np.frombuffer(self._value, "<u4", self.bought_count, self._bought_at)


def view_state(value: bytes | None) -> StateView | None:
    """Look into a packed state; None for nothing, another format or a value of the wrong length."""
    if value is None or len(value) < _HEAD.size or value[0] != STATE_FORMAT:
        return None
    view = StateView(value)
    return view if len(value) >= view._bought_at + 4 * view.bought_count else None


def state_seq(value: bytes) -> int | None:
    """Return the sequence number alone, without decoding the rest; None for another format."""
    if len(value) < _HEAD.size or value[0] != STATE_FORMAT:
        return None
    return int(_SEQ.unpack_from(value)[0])


def pack_pointer(primary: bytes) -> bytes:
    """Encode a pointer to the state under another key."""
    return bytes((POINTER_FORMAT,)) + primary


def unpack_pointer(value: bytes) -> bytes | None:
    """Return the key that a pointer names; None when the value is no pointer."""
    if len(value) != 1 + _KEY_BYTES or value[0] != POINTER_FORMAT:
        return None
    return value[1:]


def empty_state(seq: int, person_no: int, consent: bool | None, country: str = "", last_seen: int = 0) -> State:
    """Return a state without history."""
    wide, narrow = np.zeros(0, np.uint32), np.zeros(0, np.uint16)
    return State(
        seq, person_no, consent, country, last_seen, wide, wide, np.zeros(0, np.uint8), narrow, np.zeros(0, np.float32), wide, narrow
    )


def _bytes(array: NDArray[np.generic], kind: str) -> bytes:
    return np.ascontiguousarray(array, dtype=kind).tobytes()
