"""What a segment says, and all segments of a shop as one program. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.data.conditions import language
from app.data.conditions.language import Condition, Formula
from app.data.conditions.syntax import Wrong
from app.data.facts.domain import Ref, Subject
from app.data.facts.entries import Facts, Remembering, everything
from app.data.facts.packed import PersonFacts
from app.data.segments.clusters.domain import Labels, Model

_STORABLE = r"^[^\x00]*$"
NAME = "segment"


class Segment(BaseModel):
    """The document of a segment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    when: str | dict[str, Any] | None = Field(
        None, description="The condition that its people meet, as text or document; empty: a list of people that is uploaded."
    )
    description: Annotated[str, Field(max_length=500, pattern=_STORABLE)] = Field("", description="For the people who edit it.")


def condition(written: Any, facts: Facts) -> Condition:
    """Read the condition of a segment: of the person only, and such that its next change by time can be told. Raises Wrong."""
    found = language.condition(written, facts, (Subject.PERSON,), "a segment")
    _ = found.next_change  # what moves at every moment is refused here
    return found


@dataclass(frozen=True)
class Judged:
    """A segment that people are judged by."""

    number: int
    name: str
    version: int
    condition: Condition


class Program:
    """All published segments of a shop, each after those that it asks for.

    `lists` are the numbers of those without a condition, `broken` why others cannot be judged, `labels` the clusters people are in.
    """

    def __init__(self, published: Iterable[tuple[int, str, int, Mapping[str, Any]]], clusters: Mapping[str, Model] | None = None) -> None:
        """Take number, name, version and document of each, and what was found of each clustering by name."""
        rows = list(published)
        self.numbers: dict[str, int] = {name: number for number, name, _, _ in rows}
        self.versions: dict[int, int] = {number: version for number, _, version, _ in rows}
        self.facts = everything(lambda: self.numbers, kind=Remembering)
        self.labels = Labels(clusters or {}, self.facts)
        self.broken: dict[str, str] = {}
        self.lists = frozenset(number for number, _, _, document in rows if document.get("when") is None)
        read = {}
        for number, name, version, document in rows:
            if number not in self.lists:
                try:
                    read[name] = Judged(number, name, version, condition(document["when"], self.facts))
                except Wrong as error:
                    self.broken[name] = str(error)
        self.judged: list[Judged] = []
        self._order(read)

    def _order(self, read: dict[str, Judged]) -> None:
        """Put each segment behind those it asks for; those in a circle are broken."""
        left = {name: {one for one in asked(judged.condition) if one in read} for name, judged in read.items()}
        while free := sorted(name for name, needs in left.items() if not needs):
            for name in free:
                self.judged.append(read[name])
                del left[name]
            for needs in left.values():
                needs.difference_update(free)
        for name in left:
            self.broken[name] = f"segments ask for each other in a circle: {', '.join(sorted(left))}"

    def judge(self, view: Any, listed: Iterable[int] = ()) -> list[int]:
        """Return the numbers of the segments a person is in, ascending; `listed` are those whose list names them."""
        person: PersonFacts = view.person
        found = {number for number in listed if number in self.lists}
        # conditions behind read what those before found
        person.__dict__["segments"] = found
        view.memo = {}
        for one in self.judged:
            if one.condition.test(view):
                found.add(one.number)
        return sorted(found)

    def judge_some(self, view: Any, numbers: Collection[int], listed: Iterable[int] = ()) -> list[int]:
        """Return the same where only the segments of these numbers can have changed since the person was packed."""
        person: PersonFacts = view.person
        found = {number for number in person.segments if number in self.versions and number not in numbers}
        found.update(number for number in listed if number in self.lists and number in numbers)
        person.__dict__["segments"] = found
        view.memo = {}
        for one in self.judged:
            if one.number in numbers and one.condition.test(view):
                found.add(one.number)
        return sorted(found)

    def touched(self, numbers: Iterable[int], facts: Collection[str] = ()) -> frozenset[int]:
        """Return numbers of segments with those that ask for them, and those that read one of some facts by the beginning of its name."""
        found = set(numbers)
        for one in self.judged:
            reads = any(ref.name.startswith(tuple(facts)) for ref in one.condition.refs) if facts else False
            if reads or any(self.numbers.get(name) in found for name in asked(one.condition)):
                found.add(one.number)
        return frozenset(found)

    def next_change(self, view: Any, numbers: Collection[int] | None = None) -> float | None:
        """Return the next moment at which somebody must be judged again, by some segments or all, although nothing happens."""
        some = (one for one in self.judged if numbers is None or one.number in numbers)
        return min((at for one in some if (at := one.condition.next_change(view)) is not None), default=None)


def asked(of: Condition) -> set[str]:
    """Return the names of the segments that a condition asks for."""
    return {ref.key for ref in of.refs if ref.name == NAME}


def named(written: Iterable[Any], facts: Facts, read: Callable[[Any, Facts], Condition | Formula | None]) -> set[tuple[str, str]]:
    """Return the segments and clusterings that conditions or formulas name, with their kind; what cannot be read names nothing."""
    found: set[tuple[str, str]] = set()
    for one in written:
        try:
            asks = read(one, facts)
        except Wrong:
            continue
        found |= of_people(asks.refs) if asks is not None else set()
    return found


def of_people(refs: Iterable[Ref]) -> set[tuple[str, str]]:
    """Return the segments and clusterings among some facts, with their kind."""
    return {(ref.name, ref.key) for ref in refs if ref.name in (NAME, "cluster") and ref.key}
