"""Who an event belongs to: the rules that link external ids to one person. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from app.core.ids import IdentityKind

Identity = tuple[int, str]
LONGEST_ID = 256


@dataclass(slots=True)
class Person:
    """A person as intake needs them; `sealed_key` opens with `DataKeys.cipher`."""

    person_no: int
    sealed_key: bytes
    consent: bool | None = None
    has_user_id: bool = False


@dataclass
class Plan:
    """What must be written so that every id belongs to somebody."""

    of: dict[tuple[Identity, ...], Person] = field(default_factory=dict)
    people: list[Person] = field(default_factory=list)
    links: list[tuple[Identity, Person, bool]] = field(default_factory=list)  # the flag: this id becomes the primary one
    demoted: list[int] = field(default_factory=list)


def plan(wanted: Iterable[tuple[Identity, ...]], known: dict[Identity, Person], new: Callable[[], Person]) -> Plan:
    """Give each tuple of ids (strongest first) its person, and say which people and links are new.

    A known user id decides. An unknown one joins the person of a weaker id only if that person has no user id yet: on a
    shared device the next user must not inherit the last one's history. Two known people are never merged here.
    """
    found = Plan()
    for ids in wanted:
        person = known.get(ids[0])
        if person is None:
            person = _owner(ids, known)
            if person is None:
                person = new()
                found.people.append(person)
                _link(found, known, ids[0], person, primary=True)
            else:
                promoted = ids[0][0] == IdentityKind.USER_ID
                if promoted:
                    found.demoted.append(person.person_no)
                    found.links = [(i, p, primary and p is not person) for i, p, primary in found.links]
                _link(found, known, ids[0], person, primary=promoted)
        for weaker in ids[1:]:
            if weaker not in known:
                _link(found, known, weaker, person, primary=False)
        found.of[ids] = person
    return found


def _owner(ids: tuple[Identity, ...], known: dict[Identity, Person]) -> Person | None:
    for weaker in ids[1:]:
        person = known.get(weaker)
        if person is not None and not (person.has_user_id and ids[0][0] == IdentityKind.USER_ID):
            return person
    return None


def _link(found: Plan, known: dict[Identity, Person], identity: Identity, person: Person, *, primary: bool) -> None:
    known[identity] = person
    if identity[0] == IdentityKind.USER_ID:
        person.has_user_id = True
    found.links.append((identity, person, primary))


def id_fault(value: str) -> str | None:
    """Say what is wrong with an external id of a person; None when it can be stored."""
    if not value or value.isspace():
        return "is empty"
    if len(value) > LONGEST_ID:
        return f"is longer than {LONGEST_ID} characters"
    if "\0" in value:
        return "contains a NUL character"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    return None
