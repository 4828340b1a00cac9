"""Numbers inside, names outside: how external ids become keys, and how Redis keys are spelled."""

import base64
import binascii
import hashlib
import os
import secrets
from enum import IntEnum

DEFAULT_TENANT = 1
DEFAULT_TENANT_NAME = "default"


class IdentityKind(IntEnum):
    """How a caller names a person."""

    USER_ID = 1
    ANONYMOUS_ID = 2
    EMAIL_SHA256 = 3


PROBE = 2
"""Whose events the probe sends: numbers of people are odd."""


def person_key(tenant: int, kind: int, value: str) -> bytes:
    """Return the 12-byte key that stands for an external id in Redis and in `person_identity`."""
    text = f"{int(tenant)}\0{int(kind)}\0{value}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=12, person=b"morsel-person").digest()


def new_person_no() -> int:
    """Return a random positive 62-bit person number, which tells nothing about the person."""
    return secrets.randbits(62) | 1


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def short(key: bytes) -> str:
    """Spell key bytes in URL-safe base64 without padding."""
    return binascii.b2a_base64(key, newline=False).translate(_URL_SAFE, b"=").decode()


def unshort(text: str) -> bytes:
    """Read bytes spelled by `short`; raises ValueError on anything else."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def state_key(tenant: int, key: bytes) -> str:
    """Redis key of a person's state, or of a pointer to it."""
    return f"m:{{{tenant}.{short(key)}}}:s"


def facts_key(tenant: int, key: bytes) -> str:
    """Redis key of a person's facts, beside their state."""
    return f"m:{{{tenant}.{short(key)}}}:f"


def shown_key(tenant: int, key: bytes) -> str:
    """Redis key of what somebody was shown, for rules against repeats."""
    return f"m:{{{tenant}.{short(key)}}}:n"


def person_keys(tenant: int, key: bytes, recommender: str, filter_key: str, anchor: str) -> tuple[str, str]:
    """Redis keys of a person's state and of one of their scored lists; `key` is empty for a list that leaves the person out."""
    stem = f"m:{{{tenant}.{short(key)}}}:"
    return f"{stem}s", f"{stem}c:{recommender}:{filter_key}:{anchor}"


def pin_key(tenant: int, key: bytes, digest: bytes) -> str:
    """Redis key of a pinned answer; it lies beside its person, on the same node of a Cluster, so that losing another costs nothing."""
    return f"m:{{{tenant}.{short(key)}}}:p:{short(digest)}" if key else f"m:{{{tenant}.{short(digest)}}}:p"


def marker_key(tenant: int) -> str:
    """Redis key that says that the online state of a tenant is whole, and for which Redis process."""
    return f"m:{{{tenant}}}:whole"


_random: list[bytes] = []


def recommendation_id() -> bytes:
    """Return a new random 16-byte id of a serve; the system is asked for many at a time."""
    if not _random:
        fresh = os.urandom(16 * 256)
        _random.extend(fresh[at : at + 16] for at in range(0, len(fresh), 16))
    return _random.pop()
