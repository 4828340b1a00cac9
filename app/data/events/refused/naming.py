"""Whom a text may name: every id and address in it, also where it is no valid JSON, so that an erasure finds it. Pure."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from app.core.ids import IdentityKind, person_key
from app.data.identity.domain import LONGEST_ID, Identity, email_identity

MOST_NAMED = 4_000
# Elsewhere than under a name that tells of a person, a shorter text is taken for no id: a quantity of 1 is not the user 1.
_SHORTEST = 4
_PERSON = re.compile(r"user|anonym|previous|person|customer|visitor|member|contact|profile|mail|^_?id$|^uid$", re.I)
# Each of these reads a text once, whatever is in it: somebody who may send could otherwise make a server think for minutes.
_PART = r"[^\s\"'<>(),;:=&?/|\\\[\]{}@]"
_ADDRESS = re.compile(rf"(?<!{_PART}){_PART}{{1,320}}@{_PART}+")
_HASH = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])")
_TOKEN = re.compile(r"[^\s\"'<>(),;=&?/|\\\[\]{}]+")
# `name: value` and `name=value` of a text that is no JSON; a string may be cut at the end, a list or an object may stand around it
_PAIR = re.compile(r"""(?<![\w$.-])([\w$.-]{1,64})["']?\s{0,9}[:=][\[{\s]{0,9}("(?:[^"\\]|\\.)*|'[^']*|[^\s,;&}\]"']+)""", re.S)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)(?:"|\\?\Z)', re.S)
_ESCAPED = re.compile(r"(?:\\u[0-9a-fA-F]{4})+|\\.", re.S)
_USER, _ANONYMOUS, _EMAIL = (int(kind) for kind in (IdentityKind.USER_ID, IdentityKind.ANONYMOUS_ID, IdentityKind.EMAIL_SHA256))


class Named(NamedTuple):
    """The keys of all people whom a text may name, ascending; `attributed` when all are noted and one is said to be a person's."""

    keys: list[bytes]
    attributed: bool


def named_in(raw: bytes, tenant: int) -> Named:
    """Return whom a text may name."""
    found: set[Identity] = set()
    attributed = False
    for text, about_person in _texts(raw):
        told = set(_identities(text, about_person))
        attributed = attributed or (about_person and bool(told)) or any(kind == _EMAIL for kind, _ in told)
        found |= told
        if len(found) > MOST_NAMED:
            return Named([], attributed=False)
    return Named(sorted(person_key(tenant, *one) for one in found), attributed)


def _identities(text: str, about_person: bool) -> Iterator[Identity]:
    whole = text.strip()
    values = {whole, *(_TOKEN.findall(whole) if len(whole) > _SHORTEST else ())}
    for value in values:
        if value and len(value) <= LONGEST_ID and (about_person or len(value) >= _SHORTEST):
            yield _USER, value
            yield _ANONYMOUS, value
    for address in (whole, *_ADDRESS.findall(whole)):
        if (named := email_identity(address)) is not None:
            yield named
    for digest in _HASH.findall(whole):
        yield _EMAIL, digest.lower()


def _texts(raw: bytes) -> Iterator[tuple[str, bool]]:
    """Give every text and number, and whether it stands under a name that tells of a person."""
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        yield from _loose(raw.decode("utf-8", "replace").replace("\0", ""))
        return
    open_: list[tuple[Any, bool]] = [(document, False)]
    while open_:
        value, about = open_.pop()
        if isinstance(value, dict):
            for name, inner in value.items():
                if about or len(name) > 40:
                    yield name, about
                open_.append((inner, about or bool(_PERSON.search(name))))
        elif isinstance(value, list):
            open_.extend((inner, about) for inner in value)
        elif isinstance(value, float):
            yield f"{value:.0f}" if value.is_integer() else repr(value), about
        elif isinstance(value, (str, int)) and not isinstance(value, bool):
            yield str(value), about


def _loose(text: str) -> Iterator[tuple[str, bool]]:
    for name, value in _PAIR.findall(text):
        yield _plain(value.strip("\"'")), bool(_PERSON.search(name))
    for value in _QUOTED.findall(text):
        yield _plain(value), False
    yield text, False


def _plain(text: str) -> str:
    """Read the escapes of JSON, those that are none as they stand."""

    def one(found: re.Match[str]) -> str:
        try:
            return str(json.loads(f'"{found[0]}"'))
        except ValueError:
            return found[0]

    return _ESCAPED.sub(one, text) if "\\" in text else text
