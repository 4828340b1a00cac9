"""The master secret, and keys derived from it for one purpose each."""

import contextlib
import os
import secrets
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.core.settings import Settings


class WeakSecret(ValueError):
    """The configured master secret is too short."""


def master(settings: Settings) -> bytes:
    """Return the configured secret, or the one kept in the data folder (made at first use, mode 0600)."""
    given = settings.secret.get_secret_value()
    if given:
        if len(given) < 32:
            raise WeakSecret("MORSEL_SECRET must have at least 32 characters")
        return given.encode()
    return _kept(settings.data_dir.resolve())


@lru_cache
def _kept(folder: Path) -> bytes:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "secret"
    fresh = folder / f"secret.{os.getpid()}.{secrets.token_hex(4)}"
    if not path.exists():
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(secrets.token_urlsafe(48))
        # link, not rename: of two processes that start at once the second must keep the first one's secret
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    return path.read_bytes().strip()


def derive(settings: Settings, purpose: str) -> bytes:
    """Return 32 bytes for one purpose (HKDF-SHA256, RFC 5869)."""
    return HKDF(SHA256(), 32, salt=None, info=b"morsel:" + purpose.encode()).derive(master(settings))


def seal(key: bytes, plain: bytes, bound: bytes = b"") -> bytes:
    """Encrypt with AES-256-GCM; `bound` must be given again to open it."""
    nonce = os.urandom(12)
    return b"\x01" + nonce + AESGCM(key).encrypt(nonce, plain, bound)


def unseal(key: bytes, sealed: bytes, bound: bytes = b"") -> bytes:
    """Open what `seal` made; raises ValueError or cryptography's InvalidTag when it was changed."""
    if sealed[:1] != b"\x01":
        raise ValueError("unknown format of a sealed value")
    return AESGCM(key).decrypt(sealed[1:13], sealed[13:], bound)
