"""People as tests make them: events, and the packed facts that follow."""

from app.data.facts import build, packed
from app.data.facts.build import Thing
from app.data.facts.domain import Seen
from app.data.facts.packed import PersonFacts
from app.data.profiles.build import profiles
from app.data.profiles.event_columns import distinct
from tests.data.people.test_profile import NOW, Told, rows

THINGS = {
    1: Thing("Women > Dresses", "Nordhavn", 10.0),
    2: Thing("Women > Shoes", "Sol", 40.0),
    3: Thing("Men", "Nordhavn", 100.0),
}
BANDS = (20.0, 60.0)
TRAITS = {1: {"city": "Paris", "age": 41, "vip": True, "brands": ["Sol", "Luna"]}, 2: {"city": "lyon", "timezone": "Europe/Paris"}}


def values(events: list[Told], numbers: list[int] | None = None) -> dict[int, bytes]:
    """Return the packed facts of each person."""
    columns = distinct(rows(events, numbers))
    made = profiles(columns)
    found = build.facts(columns, made, THINGS, BANDS)
    return {
        person: packed.pack(profile, rest._replace(more={**rest.more, "t": TRAITS.get(person, {}), "c": {"email": person == 1}}), 7)
        for person, profile, rest in zip(columns.people.tolist(), made, found, strict=True)
    }


def people(events: list[Told]) -> dict[int, PersonFacts]:
    """Return the facts of each person, as they are read."""
    found = {person: packed.read(value) for person, value in values(events).items()}
    assert all(found.values())
    return {person: one for person, one in found.items() if one is not None}


def view(person: PersonFacts | None, now: float = NOW) -> Seen:
    """Return a view of a person."""
    return Seen(person=person, now=now, request={"placement": "home"}, ctx={"weather": "hot"})
