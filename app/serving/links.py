"""Signed click links: one token a serve, which carries all that the redirect and the attribution need.

Token: version, tenant, name of the key, body, keyed BLAKE2b of 16 bytes; in URL-safe base64. The body holds moment,
recommendation id, placement, person number, locale, campaign and the item numbers in order, so a link works with every database
dead. Version 1 had no campaign; letters that carry it are still read. Targets are looked up in the catalogue: a token can only
lead to an item's own page.
"""

import hashlib
import hmac
import struct
import time
from functools import lru_cache
from typing import NamedTuple

from app.access.gate import Access
from app.core.errors import Unavailable
from app.core.ids import short, unshort

_VERSION = 2
_LONGEST_CAMPAIGN = 255
_FRONT = struct.Struct("<BHB")
_HEAD = struct.Struct("<QI16sQB")
_MAC = 16


class BadLink(ValueError):
    """A token that was not signed by us, or was cut."""


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
    """Signs and reads tokens with the link keys that the access part holds."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._signing: dict[int, tuple[float, tuple[bytes, bytes]]] = {}

    def token(self, served: Served) -> str:
        """Sign a serve; raises Unavailable when no key can be opened."""
        front, secret = self._keys(served.tenant)
        locale, campaign, count = served.locale.encode(), b"", len(served.items)
        if served.campaign:
            campaign = served.campaign.encode("utf-8", "replace")
            campaign = campaign if len(campaign) <= _LONGEST_CAMPAIGN else b""
        head = _HEAD.pack(served.at, served.placement_no, served.recommendation_id, served.person_no, len(locale))
        body = b"".join((front, head, locale, _LENGTH[len(campaign)], campaign, _numbers(count).pack(*served.items)))
        return short(body + _mac(secret, body))

    def _keys(self, tenant: int) -> tuple[bytes, bytes]:
        """Return how a tenant's tokens begin, and the key that signs them; which one that is is looked at once a second."""
        known = self._signing.get(tenant)
        now = time.monotonic()
        if known is None or known[0] < now:
            keys = self._access.link_keys(tenant)
            kid = keys.kid.encode()
            known = self._signing[tenant] = (now + 1.0, (_FRONT.pack(_VERSION, tenant, len(kid)) + kid, keys.secret))
        return known[1]

    def read(self, token: str) -> Served:
        """Read a token; raises BadLink."""
        try:
            raw = unshort(token)
            body, mac = raw[:-_MAC], raw[-_MAC:]
            version, tenant, length = _FRONT.unpack_from(body)
            at = _FRONT.size + length
            key = self._access.link_keys(tenant).believed.get(body[_FRONT.size : at].decode())
            if version not in (1, _VERSION) or key is None or not hmac.compare_digest(_mac(key, body), mac):
                raise BadLink("not signed by us")
            moment, placement_no, recommendation_id, person_no, length = _HEAD.unpack_from(body, at)
            at += _HEAD.size
            locale = body[at : at + length].decode()
            at += length
            length = 0 if version == 1 else body[at]
            at += 0 if version == 1 else 1
            campaign = body[at : at + length].decode()
            items = struct.unpack(f"<{(len(body) - at - length) // 4}I", body[at + length :])
        except (ValueError, IndexError, struct.error, Unavailable) as error:
            raise BadLink("the link is cut or was changed") from error
        return Served(tenant, moment, placement_no, recommendation_id, person_no, locale, items, campaign)


_LENGTH = [bytes((length,)) for length in range(256)]


@lru_cache(maxsize=64)
def _numbers(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}I")


def _mac(key: bytes, body: bytes) -> bytes:
    # keyed BLAKE2b is a MAC by itself (RFC 7693) and costs a fifth of HMAC here
    return hashlib.blake2b(body, digest_size=_MAC, key=key).digest()
