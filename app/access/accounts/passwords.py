"""Passwords and second factors: argon2 (RFC 9106) and time-based codes (RFC 6238)."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from app.core.errors import LimitReached

T = TypeVar("T")

# One at a time: each takes 64 MB and a tenth of a second of a processor, and signing in must not slow answers down.
_one = asyncio.Semaphore(1)
_MOST_WAITING = 16
_waiting = 0
_hasher = PasswordHasher()
# Checked where there is no account, so that an unknown address takes as long as a wrong password.
_nobody = ""
_STEP_S = 30


async def hashed(password: str) -> str:
    """Return the argon2id hash of a password, worked out beside the event loop."""
    return await _alone(_hasher.hash, password)


async def matches(kept: str | None, password: str) -> bool:
    """Tell whether a password is the one that was kept; takes the same time where none was."""
    global _nobody
    if not _nobody:
        _nobody = await hashed("nobody has this password")
    return await _alone(_verified, kept or _nobody, password) and kept is not None


async def _alone(work: Callable[..., T], *values: str) -> T:
    """Do one piece of work at a time beside the loop; raises LimitReached while too many wait."""
    global _waiting
    if _waiting >= _MOST_WAITING:
        raise LimitReached("Too many people sign in at once; try again.", headers={"Retry-After": "3"})
    _waiting += 1
    try:
        async with _one:
            return await asyncio.to_thread(work, *values)
    finally:
        _waiting -= 1


def _verified(kept: str, password: str) -> bool:
    try:
        return _hasher.verify(kept, password)
    except (VerifyMismatchError, InvalidHashError):
        return False


def new_totp() -> str:
    """Return a new secret of a second factor, in base32."""
    return pyotp.random_base32()


def totp_address(secret: str, email: str) -> str:
    """Return the `otpauth` address that an authenticator reads."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name="Morsel")


def totp_step(secret: str, code: str, last: int, now: float | None = None) -> int | None:
    """Return the time step of a code that fits now or one step off, None for a wrong one or one not newer than the `last` used."""
    digits = code.replace(" ", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) == 6):
        return None
    step = int((time.time() if now is None else now) // _STEP_S)
    made = pyotp.TOTP(secret)
    for candidate in (step, step - 1, step + 1):
        if candidate > last and pyotp.utils.strings_equal(made.at(candidate * _STEP_S), digits):
            return candidate
    return None
