"""Reads what a caller asks for; what cannot be read is ignored and told, unless `strict=1`."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from app.access.domain import Principal
from app.content.formats import Format
from app.core.ids import IdentityKind, person_key
from app.data.identity.placeholders import names_nobody, nobody
from app.serving.edge.misspelt import SECOND_MARK, unknown
from app.serving.model.call import Call
from app.serving.model.context import context
from app.serving.model.parameters import PARAMETERS
from app.serving.model.reading import switch, text

_LONGEST = 512
_CONTEXT = "ctx."


GPC = (b"sec-gpc", b"1")
"""The header field of Global Privacy Control: a browser's no to tracking, where the person said nothing."""


def parse(principal: Principal, given: Mapping[str, str], placement: str, default_format: Format) -> Call:
    """Read the parameters of a call; raises BadRequest only with `strict=1`."""
    if "?" in placement:
        placement, given = _parted(placement, given)
    call = Call(principal.tenant, placement[:_LONGEST], default_format)
    if principal.public:
        call.public = True
    if "strict" in given:
        call.strict = switch(given["strict"])
    for name in given:
        known = PARAMETERS.get(name)
        if known is None:
            if name.startswith(_CONTEXT):
                context(call, name, given[name])
            else:
                unknown(call, name)
        elif known.read is not None:
            known.read(call, name, given[name])
    _person(call, principal, given)
    return call


def _parted(placement: str, given: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    """Part a placement from parameters that were written behind it with a second question mark."""
    placement, _, rest = placement.partition("?")
    more = dict(parse_qsl(rest, keep_blank_values=True))
    return placement.strip(), {**more, **given, SECOND_MARK: ""}


_NAMED = (("user_id", IdentityKind.USER_ID), ("anonymous_id", IdentityKind.ANONYMOUS_ID), ("email_sha256", IdentityKind.EMAIL_SHA256))


def _person(call: Call, principal: Principal, given: Mapping[str, str]) -> None:
    for name, kind in _NAMED:
        value = text(call, name, given[name]) if name in given else ""
        if not value:
            continue
        if names_nobody(value):
            call.complain(nobody(name, value))
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
