"""Reads what a caller asks for; what cannot be read is ignored and told, unless `strict=1`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.access.domain import Principal
from app.core.errors import BadRequest
from app.core.ids import IdentityKind, person_key

FORMATS = ("json", "html", "text")
MAX_LIMIT = 50
_LONGEST = 512
_NAMES = 100


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
    request = Request(principal.tenant, placement[:_LONGEST])
    request.strict = given.get("strict", "").lower() in ("1", "true", "yes")
    request.explain = given.get("explain", "").lower() in ("1", "true", "yes")
    request.format = _choice(request, given, "format", FORMATS, default_format)
    request.escape = _choice(request, given, "escape", ("html", "none"), "none") == "html"
    request.blank = _choice(request, given, "empty", ("blank", "fallback"), "fallback") == "blank"
    request.limit = _number(request, given, "limit")
    request.anchor = _names(request, given, "item_id")
    request.exclude = frozenset(_names(request, given, "exclude"))
    for name in ("category", "locale", "campaign", "send_id"):
        setattr(request, name, _text(request, given, name))
    _person(request, principal, given)
    return request


def _person(request: Request, principal: Principal, given: Mapping[str, str]) -> None:
    named = (("user_id", IdentityKind.USER_ID), ("anonymous_id", IdentityKind.ANONYMOUS_ID), ("email_sha256", IdentityKind.EMAIL_SHA256))
    for name, kind in named:
        value = _text(request, given, name)
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


def _text(request: Request, given: Mapping[str, str], name: str) -> str:
    value = given.get(name, "").strip()
    if len(value) > _LONGEST:
        request.complain(f"{name}: longer than {_LONGEST} characters")
        return ""
    return value


def _number(request: Request, given: Mapping[str, str], name: str) -> int:
    value = given.get(name, "").strip()
    if not value:
        return 0
    if value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= MAX_LIMIT and len(value) < 9:
        return int(value)
    request.complain(f"{name}: must be a whole number from 1 to {MAX_LIMIT}")
    return 0


def _names(request: Request, given: Mapping[str, str], name: str) -> tuple[str, ...]:
    values = [part.strip() for part in given.get(name, "").split(",")]
    kept = tuple(dict.fromkeys(value for value in values if value and len(value) <= _LONGEST))
    if len(kept) > _NAMES:
        request.complain(f"{name}: more than {_NAMES} values")
    return kept[:_NAMES]


def _choice(request: Request, given: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = given.get(name, "").strip().lower()
    if not value:
        return default
    if value in allowed:
        return value
    request.complain(f"{name}: must be one of {', '.join(allowed)}")
    return default
