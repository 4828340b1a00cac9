"""Each person's own encryption key, sealed under a key derived from the master secret."""

import hashlib
import os
import re

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.core.ids import person_key, short
from app.core.secret import derive
from app.core.settings import Settings

_FORMAT = b"\x01"
_BOUND = b"morsel-event"
_ADDRESS = re.compile(r"\w(?:@|%40)\w")
ADDRESS = "{}: looks like an address; {} stands for it in links, records and reports: use the name of the mailing"


class DataKeys:
    """Makes, opens and uses the keys of people; deleting a sealed key makes all it protected unreadable."""

    def __init__(self, settings: Settings) -> None:
        self._outer = AESGCM(derive(settings, "person-keys"))
        self._nobody = derive(settings, "nobodys-key")
        self._stand_ins = derive(settings, "stand-ins")

    def new(self, person_no: int) -> bytes:
        """Return a new random key, sealed for this person."""
        nonce = os.urandom(12)
        return _FORMAT + nonce + self._outer.encrypt(nonce, os.urandom(32), _bound(person_no))

    def cipher(self, person_no: int, sealed: bytes) -> "PersonCipher":
        """Open a sealed key; raises cryptography's InvalidTag when it is another person's or another installation's."""
        if sealed[:1] != _FORMAT:
            raise ValueError("unknown format of a sealed key")
        return PersonCipher(self._outer.decrypt(sealed[1:13], sealed[13:], _bound(person_no)))

    def nobody(self) -> "PersonCipher":
        """Return the cipher of what belongs to nobody who is known."""
        return PersonCipher(self._nobody)

    def fingerprint(self, payload: bytes) -> bytes:
        """Return 16 bytes that stand for a payload and tell nothing about it to whoever has not the master secret."""
        return hashlib.blake2b(payload, digest_size=16, key=self._nobody).digest()

    def stand_in(self, tenant: int, name: str) -> str:
        """Return what stands for the name of a mailing: itself, or the same keyed hash each time where it looks like an address."""
        if not _ADDRESS.search(name):
            return name
        text = f"{tenant}\0{name}".encode("utf-8", "surrogatepass")
        return f"address-{short(hashlib.blake2b(text, digest_size=12, key=self._stand_ins).digest())}"

    def hint(self, tenant: int, kind: int, value: str) -> str:
        """Return what stands for an id of a person in the audit log: it outlives their erasure, so it does not name them.

        Two characters help who reads it; of a short id they would be half of it, and are left out.
        """
        seen = "".join(one for one in value[:2] if one.isprintable()) if len(value) > 5 else ""
        digest = hashlib.blake2b(person_key(tenant, kind, value), digest_size=6, key=self._stand_ins).digest()
        return f"{seen}…{short(digest)}"


class PersonCipher:
    """Encrypts and decrypts payloads with one person's key."""

    def __init__(self, key: bytes) -> None:
        self._inner = AESGCM(key)

    def seal(self, payload: bytes) -> bytes:
        """Encrypt a payload."""
        nonce = os.urandom(12)
        return _FORMAT + nonce + self._inner.encrypt(nonce, payload, _BOUND)

    def unseal(self, sealed: bytes) -> bytes:
        """Decrypt a payload; raises cryptography's InvalidTag when it was changed."""
        if sealed[:1] != _FORMAT:
            raise ValueError("unknown format of a sealed payload")
        return self._inner.decrypt(sealed[1:13], sealed[13:], _BOUND)


def _bound(person_no: int) -> bytes:
    return person_no.to_bytes(8, "little")
