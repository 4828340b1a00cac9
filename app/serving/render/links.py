"""Sealed click links: one token a serve, which carries all that the redirect and the attribution need.

Token: version, tenant, name of the key, and a body that AES-SIV (RFC 5297) encrypts and authenticates together with what stands
before it; in URL-safe base64. The body holds moment, recommendation id, placement, person number, locale, campaign and the item
numbers in order, so a link works with every database dead. Versions 1 (without a campaign) and 2 were readable and signed with
keyed BLAKE2b; letters that carry them are still read. Targets are looked up in the catalogue: a token can only lead to an item's
own page.
"""

# long: sealing and reading of one token stand together

import hashlib
import hmac
import struct
import time
from functools import lru_cache
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from app.access.runtime import Access
from app.core.errors import Unavailable
from app.core.ids import short, unshort

_UNNAMED, _SIGNED, _VERSION = 1, 2, 3
_LONGEST_CAMPAIGN = 255
_FRONT = struct.Struct("<BHB")
_HEAD = struct.Struct("<QI16sQB")
_MAC = 16


class BadLink(ValueError):
    """A token that was not made by us, or was cut."""


class Served(NamedTuple):
    """What a link knows of its serve; `at` in unix seconds, `person_no` 0 for nobody, `campaign` its `send_id` or campaign.

    A campaign of more than 255 bytes is left out: links stand in letters many times.
    """

    tenant: int
    at: int
    placement_no: int
    recommendation_id: bytes
    person_no: int
    locale: str
    items: tuple[int, ...]
    campaign: str = ""


class Links:
    """Seals and reads tokens with the link keys that the access part holds."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._sealing: dict[int, tuple[float, tuple[bytes, AESSIV]]] = {}

    def token(self, served: Served) -> str:
        """Seal a serve; raises Unavailable when no key can be opened."""
        front, cipher = self._keys(served.tenant)
        locale, campaign, count = served.locale.encode(), b"", len(served.items)
        if served.campaign:
            campaign = served.campaign.encode("utf-8", "replace")
            campaign = campaign if len(campaign) <= _LONGEST_CAMPAIGN else b""
        head = _HEAD.pack(served.at, served.placement_no, served.recommendation_id, served.person_no, len(locale))
        body = b"".join((head, locale, _LENGTH[len(campaign)], campaign, _numbers(count).pack(*served.items)))
        return short(front + cipher.encrypt(body, [front]))

    def _keys(self, tenant: int) -> tuple[bytes, AESSIV]:
        """Return how a tenant's tokens begin, and what seals them; which key that is is looked at once a second."""
        known = self._sealing.get(tenant)
        now = time.monotonic()
        if known is None or known[0] < now:
            keys = self._access.link_keys(tenant)
            kid = keys.kid.encode()
            known = self._sealing[tenant] = (now + 1.0, (_FRONT.pack(_VERSION, tenant, len(kid)) + kid, _cipher(keys.secret)))
        return known[1]

    def read(self, token: str) -> Served:
        """Read a token; raises BadLink."""
        try:
            raw = unshort(token)
            version, tenant, length = _FRONT.unpack_from(raw)
            at = _FRONT.size + length
            key = self._access.link_keys(tenant).believed.get(raw[_FRONT.size : at].decode())
            if version not in (_UNNAMED, _SIGNED, _VERSION) or key is None:
                raise BadLink("not made by us")
            body = _cipher(key).decrypt(raw[at:], [raw[:at]]) if version == _VERSION else _signed(key, raw)[at:]
            moment, placement_no, recommendation_id, person_no, length = _HEAD.unpack_from(body)
            at = _HEAD.size
            locale = body[at : at + length].decode()
            at += length
            length = 0 if version == _UNNAMED else body[at]
            at += 0 if version == _UNNAMED else 1
            campaign = body[at : at + length].decode()
            items = struct.unpack(f"<{(len(body) - at - length) // 4}I", body[at + length :])
        except (ValueError, IndexError, struct.error, InvalidTag, Unavailable) as error:
            raise BadLink("the link is cut or was changed") from error
        return Served(tenant, moment, placement_no, recommendation_id, person_no, locale, items, campaign)


_LENGTH = [bytes((length,)) for length in range(256)]


@lru_cache(maxsize=64)
def _numbers(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}I")


@lru_cache(maxsize=256)
def _cipher(secret: bytes) -> AESSIV:
    # a key of its own, since the secret signed tokens of earlier versions
    return AESSIV(hashlib.blake2b(digest_size=32, key=secret, person=b"morsel-links").digest())


def _signed(key: bytes, raw: bytes) -> bytes:
    """Return what a token of an earlier version says, if its mark is ours; raises BadLink."""
    body, mark = raw[:-_MAC], raw[-_MAC:]
    if not hmac.compare_digest(_mac(key, body), mark):
        raise BadLink("not made by us")
    return body


def _mac(key: bytes, body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_MAC, key=key).digest()
