"""Ids of people, what they are linked by, and which of them are one person: the rules. Pure."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from app.core.ids import IdentityKind
from app.data.identity.placeholders import names_nobody

Identity = tuple[int, str]
LONGEST_ID = 256
LONGEST_EMAIL = 320
MOST_IDS = 100
_USER = int(IdentityKind.USER_ID)


class Evidence(IntEnum):
    """Why two ids are taken for one person; the numbers are stored."""

    TOGETHER = 1
    ALIAS = 2


@dataclass(slots=True)
class Person:
    """The person of one id, as intake needs it: `sealed_key` opens with `DataKeys.cipher`, `consent` holds for the whole group.

    `fresh` people were made in this transaction.
    """

    person_no: int
    sealed_key: bytes
    consent: bool | None = None
    fresh: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """Two people who are one, says a message. Links order by which of them decides; between two users, numbers ascend."""

    rank: int
    occurred_at: datetime
    message_id: bytes
    from_no: int
    to_no: int


def rank(from_kind: int, to_kind: int) -> int:
    """Return which links come first: between users, then e-mail addresses of users, then all of anonymous ids."""
    if from_kind == to_kind == _USER:
        return 0
    return 1 if from_kind == IdentityKind.EMAIL_SHA256 else 2


def group(kinds: Mapping[int, int], links: Iterable[Link], most: int) -> tuple[dict[int, list[int]], set[Link]]:
    """Return the groups that links make of people (by any member, the members ascending), and the links that would make one too large.

    `kinds` gives the strongest kind of id of each person. The outcome depends on the set of links alone. Only a link between two
    users joins groups that both have one.
    """
    of = {person: [person] for person in kinds}
    users = {person: kind == _USER for person, kind in kinds.items()}
    full: set[Link] = set()
    for link in sorted(set(links)):
        left, right = of[link.from_no], of[link.to_no]
        if left is right or (link.rank and users[left[0]] and users[right[0]]):
            continue
        if len(left) + len(right) > most:
            full.add(link)
            continue
        has_user = users[left[0]] or users[right[0]]
        left.extend(right)
        users[left[0]] = has_user
        for person in right:
            of[person] = left
    for members in {id(found): found for found in of.values()}.values():
        members.sort()
    return of, full


@dataclass(frozen=True, slots=True)
class Said:
    """What a member of a group said about personal answers; a refusal is overruled while who said yes later is of the group."""

    person_no: int
    said: bool | None
    overruled_by: int | None


def consent_of(members: Iterable[Said]) -> bool | None:
    """Return what holds for a group: no, if one refused and no later yes of the same group overruled it; else yes, if one said so."""
    found = list(members)
    numbers = {one.person_no for one in found}
    if any(one.said is False and one.overruled_by not in numbers for one in found):
        return False
    return True if any(one.said for one in found) else None


def newest_country(told: Iterable[tuple[str, datetime | None]]) -> str:
    """Return the country told last, of several at one moment the last by name; empty when none was told."""
    found = [(at.timestamp() if at else 0.0, country) for country, at in told if country]
    return max(found)[1] if found else ""


def email_identity(text: object) -> Identity | None:
    """Return the id that an e-mail address gives, which is kept as a hash only; None for what is no address."""
    if not isinstance(text, str):
        return None
    address = text.strip().lower()
    name, at, host = address.rpartition("@")
    if not (name and at and host) or len(address) > LONGEST_EMAIL or any(c.isspace() for c in address):
        return None
    if names_nobody(address):
        return None
    try:
        return int(IdentityKind.EMAIL_SHA256), hashlib.sha256(address.encode()).hexdigest()
    except UnicodeEncodeError:
        return None


def identity_of(value: str, kind: str) -> Identity:
    """Return the id that a value of a kind by its name (`user_id`, `anonymous_id`, `email_sha256`) stands for, trimmed as in events."""
    value = value.strip()
    return int(IdentityKind[kind.upper()]), value.lower() if kind == "email_sha256" else value


def id_fault(value: str) -> str | None:
    """Say what is wrong with an external id of a person, trimmed; None when it can be stored."""
    if not value or value.isspace():
        return "is empty"
    if names_nobody(value):
        return "names nobody (a missing value, or a tag that was not filled)"
    if len(value) > LONGEST_ID:
        return f"is longer than {LONGEST_ID} characters"
    if "\0" in value:
        return "contains a NUL character"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    return None
