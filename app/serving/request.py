"""Reads what a caller asks for; what cannot be read is ignored and told, unless `strict=1`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.access.domain import Principal
from app.core.errors import BadRequest
from app.core.ids import IdentityKind, person_key

FORMATS = ("json", "html", "text")
MAX_LIMIT = 50
_LONGEST = 512
_NAMES = 100
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,2}")


@dataclass(slots=True)
class Request:
    """A parsed request; `key` is empty when nobody is named, `anchor` holds the items of the page or cart."""

    tenant: int
    placement: str
    user: str = ""
    key: bytes = b""
    limit: int = 0
    anchor: tuple[str, ...] = ()
    exclude: frozenset[str] = frozenset()
    category: str = ""
    locale: str = ""
    campaign: str = ""
    send_id: str = ""
    format: str = "json"
    escape: bool = False
    blank: bool = False
    strict: bool = False
    explain: bool = False
    head: bool = False
    warnings: list[str] = field(default_factory=list)

    def complain(self, message: str) -> None:
        """Tell about an unusable parameter: an error when strict, a warning otherwise."""
        if self.strict:
            raise BadRequest(message)
        self.warnings.append(message)


def parse(principal: Principal, given: Mapping[str, str], placement: str, default_format: str) -> Request:
    """Read the parameters of a call; raises BadRequest only with `strict=1`."""
    request = Request(principal.tenant, placement[:_LONGEST], format=default_format)
    if "strict" in given:
        request.strict = _switch(given["strict"])
    for name in given:
        reader = _READERS.get(name)
        if reader is not None:
            reader(request, name, given[name])
    _person(request, principal, given)
    return request


_NAMED = (("user_id", IdentityKind.USER_ID), ("anonymous_id", IdentityKind.ANONYMOUS_ID), ("email_sha256", IdentityKind.EMAIL_SHA256))


def _person(request: Request, principal: Principal, given: Mapping[str, str]) -> None:
    for name, kind in _NAMED:
        value = _text(request, name, given[name]) if name in given else ""
        if not value:
            continue
        if principal.public and kind is not IdentityKind.ANONYMOUS_ID:
            request.complain(f"{name}: a public key may ask only for an anonymous_id")
            continue
        if kind is IdentityKind.EMAIL_SHA256:
            value = value.lower()
            if len(value) != 64 or not all(c in "0123456789abcdef" for c in value):
                request.complain("email_sha256: must be 64 hexadecimal digits")
                continue
        request.user = value
        request.key = person_key(principal.tenant, kind, value)
        return


def _switch(value: str) -> bool:
    return value.lower() in ("1", "true", "yes")


def _text(request: Request, name: str, value: str) -> str:
    value = value.strip()
    if len(value) > _LONGEST:
        request.complain(f"{name}: longer than {_LONGEST} characters")
        return ""
    return value


def _names(request: Request, name: str, value: str) -> tuple[str, ...]:
    values = [part.strip() for part in value.split(",")]
    kept = tuple(dict.fromkeys(value for value in values if value and len(value) <= _LONGEST))
    if len(kept) > _NAMES:
        request.complain(f"{name}: more than {_NAMES} values")
    return kept[:_NAMES]


def _choice(request: Request, name: str, value: str, allowed: tuple[str, ...], default: str) -> str:
    value = value.strip().lower()
    if value in allowed:
        return value
    if value:
        request.complain(f"{name}: must be one of {', '.join(allowed)}")
    return default


def _plain(request: Request, name: str, value: str) -> None:
    setattr(request, name, _text(request, name, value))


def _locale(request: Request, name: str, value: str) -> None:
    value = _text(request, name, value)
    # prepared items are kept by locale: a made-up one would only cost memory
    if value and not _LOCALE.fullmatch(value):
        request.complain("locale: must look like de or en-GB")
        value = ""
    request.locale = value


def _limit(request: Request, name: str, value: str) -> None:
    value = value.strip()
    if value.isascii() and value.isdigit() and len(value) < 9 and 1 <= int(value) <= MAX_LIMIT:
        request.limit = int(value)
    elif value:
        request.complain(f"{name}: must be a whole number from 1 to {MAX_LIMIT}")


def _anchor(request: Request, name: str, value: str) -> None:
    request.anchor = _names(request, name, value)


def _exclude(request: Request, name: str, value: str) -> None:
    request.exclude = frozenset(_names(request, name, value))


def _format(request: Request, name: str, value: str) -> None:
    request.format = _choice(request, name, value, FORMATS, request.format)


def _escape(request: Request, name: str, value: str) -> None:
    request.escape = _choice(request, name, value, ("html", "none"), "none") == "html"


def _empty(request: Request, name: str, value: str) -> None:
    request.blank = _choice(request, name, value, ("blank", "fallback"), "fallback") == "blank"


def _explain(request: Request, name: str, value: str) -> None:
    request.explain = _switch(value)


_READERS: dict[str, Callable[[Request, str, str], None]] = {
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
}
