"""Reads what a caller asks for; what cannot be read is ignored and told, unless `strict=1`."""

import re
from collections.abc import Callable, Mapping

from app.access.domain import Principal
from app.core.ids import IdentityKind, person_key
from app.serving.call import Call

FORMATS = ("json", "html", "text")
MAX_LIMIT = 50
_LONGEST = 512
_NAMES = 100
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,2}")


def parse(principal: Principal, given: Mapping[str, str], placement: str, default_format: str) -> Call:
    """Read the parameters of a call; raises BadRequest only with `strict=1`."""
    call = Call(principal.tenant, placement[:_LONGEST], default_format)
    if "strict" in given:
        call.strict = _switch(given["strict"])
    for name in given:
        reader = _READERS.get(name)
        if reader is not None:
            reader(call, name, given[name])
    _person(call, principal, given)
    return call


_NAMED = (("user_id", IdentityKind.USER_ID), ("anonymous_id", IdentityKind.ANONYMOUS_ID), ("email_sha256", IdentityKind.EMAIL_SHA256))


def _person(call: Call, principal: Principal, given: Mapping[str, str]) -> None:
    for name, kind in _NAMED:
        value = _text(call, name, given[name]) if name in given else ""
        if not value:
            continue
        if principal.public and kind is not IdentityKind.ANONYMOUS_ID:
            call.complain(f"{name}: a public key may ask only for an anonymous_id")
            continue
        if kind is IdentityKind.EMAIL_SHA256:
            value = value.lower()
            if len(value) != 64 or not all(c in "0123456789abcdef" for c in value):
                call.complain("email_sha256: must be 64 hexadecimal digits")
                continue
        call.user = value
        call.key = person_key(principal.tenant, kind, value)
        return


def _switch(value: str) -> bool:
    return value.lower() in ("1", "true", "yes")


def _text(call: Call, name: str, value: str) -> str:
    value = value.strip()
    if len(value) > _LONGEST:
        call.complain(f"{name}: longer than {_LONGEST} characters")
        return ""
    return value


def _names(call: Call, name: str, value: str) -> tuple[str, ...]:
    values = [part.strip() for part in value.split(",")]
    kept = tuple(dict.fromkeys(value for value in values if value and len(value) <= _LONGEST))
    if len(kept) > _NAMES:
        call.complain(f"{name}: more than {_NAMES} values")
    return kept[:_NAMES]


def _choice(call: Call, name: str, value: str, allowed: tuple[str, ...], default: str) -> str:
    value = value.strip().lower()
    if value in allowed:
        return value
    if value:
        call.complain(f"{name}: must be one of {', '.join(allowed)}")
    return default


def _plain(call: Call, name: str, value: str) -> None:
    setattr(call, name, _text(call, name, value))


def _locale(call: Call, name: str, value: str) -> None:
    value = _text(call, name, value)
    # prepared items are kept by locale: a made-up one would only cost memory
    if value and not _LOCALE.fullmatch(value):
        call.complain("locale: must look like de or en-GB")
        value = ""
    call.locale = value


def _limit(call: Call, name: str, value: str) -> None:
    value = value.strip()
    if value.isascii() and value.isdigit() and len(value) < 9 and 1 <= int(value) <= MAX_LIMIT:
        call.limit = int(value)
    elif value:
        call.complain(f"{name}: must be a whole number from 1 to {MAX_LIMIT}")


def _anchor(call: Call, name: str, value: str) -> None:
    call.items = _names(call, name, value)


def _exclude(call: Call, name: str, value: str) -> None:
    call.exclude = frozenset(_names(call, name, value))


def _format(call: Call, name: str, value: str) -> None:
    call.format = _choice(call, name, value, FORMATS, call.format)


def _escape(call: Call, name: str, value: str) -> None:
    call.escape = _choice(call, name, value, ("html", "none"), "none") == "html"


def _empty(call: Call, name: str, value: str) -> None:
    call.blank = _choice(call, name, value, ("blank", "fallback"), "fallback") == "blank"


def _open_pixel(call: Call, name: str, value: str) -> None:
    if value.strip():
        call.open_pixel = _switch(value)


def _explain(call: Call, name: str, value: str) -> None:
    call.explain = _switch(value)


_READERS: dict[str, Callable[[Call, str, str], None]] = {
    "category": _plain,
    "campaign": _plain,
    "send_id": _plain,
    "locale": _locale,
    "limit": _limit,
    "item_id": _anchor,
    "exclude": _exclude,
    "format": _format,
    "escape": _escape,
    "empty": _empty,
    "explain": _explain,
    "open_pixel": _open_pixel,
}
