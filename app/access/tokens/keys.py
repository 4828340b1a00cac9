"""Makes and checks what callers keep secret: client secrets, API keys, signing keys."""

import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from app.access.directory import FreshKey, Purpose
from app.access.domain import KeyKind
from app.core.secret import derive, seal, unseal
from app.core.settings import Settings

KEY_PREFIX = b"mk_"
LONGEST_KEY = 64
_NOBODY = bytes(32)


def digest(text: str | bytes) -> bytes:
    """Return the SHA-256 under which a secret is kept; enough, since the secrets are 256 random bits."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).digest()


def new_client_id() -> str:
    """Return a random public name of a client."""
    return f"mc_{secrets.token_hex(8)}"


def new_client_secret() -> str:
    """Return a new client secret; shown once."""
    return f"ms_{secrets.token_urlsafe(32)}"


def new_api_key(kind: KeyKind) -> str:
    """Return a new API key; shown once."""
    return f"mk_{kind}_{secrets.token_urlsafe(32)}"


def hint(key: str) -> str:
    """Return what may be shown of a key later, enough to tell it from others."""
    return f"{key[: key.index('_', 3) + 1]}…{key[-4:]}"


def same_secret(given: str, kept: bytes | None) -> bool:
    """Compare in constant time; an absent secret costs the same and never matches."""
    equal = hmac.compare_digest(hashlib.sha256(given.encode("utf-8", "surrogatepass")).digest(), kept or _NOBODY)
    return equal and kept is not None


class Sealer:
    """Seals private keys with a key derived from the master secret, bound to tenant and kid."""

    def __init__(self, settings: Settings) -> None:
        self._key = derive(settings, "signing-keys")

    def seal(self, tenant: int, kid: str, private: bytes) -> bytes:
        """Encrypt a private key."""
        return seal(self._key, private, f"{tenant}:{kid}".encode())

    def open(self, tenant: int, kid: str, sealed: bytes) -> bytes | None:
        """Decrypt a private key; None when it was sealed under another master secret, or changed."""
        try:
            return unseal(self._key, sealed, f"{tenant}:{kid}".encode())
        except (InvalidTag, ValueError):
            return None

    def fresh(self, tenant: int, purpose: Purpose) -> FreshKey:
        """Make a signing key: RSA 2048 for tokens (takes some 100 ms: not on the event loop), 32 random bytes for links."""
        kid = f"{purpose[0]}{secrets.token_hex(10)}"
        if purpose == "link":
            return FreshKey(kid, purpose, self.seal(tenant, kid, secrets.token_bytes(32)), None)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        return FreshKey(kid, purpose, self.seal(tenant, kid, private), public.decode())
