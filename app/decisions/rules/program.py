"""The rules of one placement made ready: what reads no person and no request is computed once, and looked up by each call."""

# long: one value from the published rules to what acts on a call

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from app.data.conditions.syntax import Wrong
from app.data.facts.domain import Seen, Subject
from app.data.facts.entries import Facts
from app.decisions.rules import language, vector
from app.decisions.rules.domain import Named, seconds
from app.decisions.rules.plan import Plan
from app.decisions.rules.vector import Bools, Columns

_MINUTE = 60.0
_MOST_PLANS = 256
_AGE = "item.age"
# whoever follows the shop turns a program in time; a call does so only where nobody does
_LATE_S = 2.0


class Items(Columns, Protocol):
    """Facts of all items, what their ids mean, and the numbers of their words."""

    def at(self, now: float) -> "Items":
        """Return the facts of another moment."""
        ...

    def found(self, item_id: str) -> Sequence[int]:
        """Return the indexes of the items that an id means."""
        ...

    def codes(self, by: str) -> memoryview:
        """Return a number for each item that stands for its brand, category or kind."""
        ...


@dataclass(frozen=True, eq=False)
class Made:
    """A rule of this snapshot: `when` and `each` (a `where` that reads more than items) ask a view; `items` are the indexes it names."""

    named: Named
    parsed: language.Parsed
    when: Callable[[Any], bool] | None
    each: Callable[[Any], bool] | None
    score: vector.Vector | None
    items: tuple[int, ...]
    unknown: tuple[str, ...]
    begins: float
    ends: float
    reads: frozenset[Subject]
    moves: bool

    @property
    def action(self) -> str:
        """What it does."""
        return self.named.rule.action

    def members(self, facts: Facts, items: Items) -> Bools | None:
        """Return the items it is about as far as items alone tell; None for all."""
        rule = self.named.rule
        found: Bools | None = None
        if self.parsed.where is not None and self.each is None:
            found = vector.holds(self.parsed.where.node, facts, items)
        if rule.items:
            listed = np.zeros(len(items), np.bool_)
            listed[list(self.items)] = True
            found = listed if found is None else found & listed
        return found


def made(named: Named, facts: Facts, items: Items) -> Made:
    """Make a rule ready; raises Wrong for conditions that cannot be read."""
    rule = named.rule
    parsed = language.parsed(rule, facts)
    when, where, formula = parsed
    each = where.test if where is not None and where.reads != {Subject.ITEM} else None
    indexes: list[int] = []
    unknown: list[str] = []
    for one in rule.items:
        known = items.found(one)
        indexes += known
        if not known:
            unknown.append(one)
    return Made(
        named, parsed, when.test if when is not None else None, each, vector.number(formula.node, facts) if formula is not None else None,
        tuple(dict.fromkeys(indexes)), tuple(unknown), seconds(rule.starts_at, float("-inf")), seconds(rule.ends_at, float("inf")),
        parsed.reads() - {Subject.ITEM}, rule.action == "freshness" or _AGE in parsed.names(),
    )  # fmt: skip


class Said(NamedTuple):
    """Whether a rule acts on a call, and if not, why."""

    rule: Made
    acts: bool
    why: str = ""


class Program:
    """The rules of a placement, the highest priority first; calls take what `clock` says for the present."""

    def __init__(self, rules: Sequence[Made], facts: Facts, items: Items, objective: str = "click", edges: Any = None) -> None:
        self.clock: Callable[[], float] = time.time
        self.rules = sorted(rules, key=lambda one: (-one.named.rule.priority, one.named.name))
        self.facts, self.items, self._objective, self.edges = facts, items, objective, edges
        self._standing: list[tuple[int, Made]] = []
        self._until = float("-inf")
        self._members: dict[int, Bools | None] = {}
        self._plans: dict[int, Plan] = {}
        self._still: Plan | None = None
        self._moves = any(one.moves for one in rules)
        read: set[Subject] = set()
        for one in rules:
            read |= one.reads
        # `now.hour` is that of the person's zone
        self.reads_person = bool(read & {Subject.PERSON, Subject.MOMENT})
        self.reads = frozenset(read)
        self.repeat_days = max([one.named.rule.days or 0 for one in rules if one.action == "no_repeat"], default=0)
        # what is only known when the person is: which rules act, or whether a recommender knows enough
        self.late = any(one.when is not None or one.named.rule.fallback for one in rules)

    def still(self, now: float) -> Plan | None:
        """Return what the rules do at a moment, where that hangs on nothing else; None where it does."""
        if now >= self._until + _LATE_S:
            self.turn(now)
        return self._still

    def plan(self, view: Seen, leave: Collection[str] = ()) -> Plan:
        """Return what the rules that act on a call do, without those of the names to `leave`."""
        still = self.still(view.now)
        return still if still is not None and not leave else self._of(self._bits(view, leave))

    def due(self, now: float) -> bool:
        """Tell whether something has changed with time: a rule's hours, or what moves from minute to minute."""
        return now >= self._until

    def judged(self, view: Seen) -> list[Said]:
        """Tell of each rule whether it acts on a call, and why not."""
        found: list[Said] = []
        groups: dict[str, str] = {}
        for one in self.rules:
            rule, why = one.named.rule, ""
            if not one.begins <= view.now < one.ends:
                why = f"not its time: it acts {_span(one)}"
            elif one.when is not None and not one.when(view):
                why = f"its condition does not hold: {_in_words(one)}"
            elif rule.group and rule.group in groups:
                why = f"{groups[rule.group]} acts for the group {rule.group}"
            elif rule.group:
                groups[rule.group] = one.named.name
            found.append(Said(one, not why, why))
        return found

    def turn(self, now: float) -> None:
        """Find the rules whose time it is, and the items they are about; calls see the old ones until all is there."""
        items = self.items.at(now) if self._moves else self.items
        standing = [(place, one) for place, one in enumerate(self.rules) if one.begins <= now < one.ends]
        members = {place: one.members(self.facts, items) for place, one in standing}
        for _, one in standing:
            if one.score is not None:
                vector.warm(one.score, items, now)
        later = [moment for one in self.rules for moment in (one.begins, one.ends) if moment > now]
        self.items, self._standing, self._members, self._plans, self._still = items, standing, members, {}, None
        if not any(one.when is not None for _, one in standing):
            self._still = self._of(self._bits(Seen(now=now), ()))
        self._until = min([*later, now + _MINUTE if self._moves else float("inf")])

    def _bits(self, view: Seen, leave: Collection[str]) -> int:
        bits = 0
        groups: set[str] = set()
        for place, one in self._standing:
            group = one.named.rule.group
            if (group and group in groups) or one.named.name in leave or (one.when is not None and not one.when(view)):
                continue
            bits |= 1 << place
            if group:
                groups.add(group)
        return bits

    def _of(self, bits: int) -> Plan:
        found = self._plans.get(bits)
        if found is None:
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            acting = [(one, self._members[place]) for place, one in self._standing if bits >> place & 1]
            found = self._plans[bits] = Plan(acting, self.items, self._objective)
        return found


def _in_words(one: Made) -> str:
    return one.parsed.when.sentence if one.parsed.when is not None else ""


def _span(one: Made) -> str:
    rule = one.named.rule
    begins = f"from {rule.starts_at.isoformat()}" if rule.starts_at else ""
    ends = f"until {rule.ends_at.isoformat()}" if rule.ends_at else ""
    return " ".join(filter(None, (begins, ends)))


def usable(rules: Sequence[Named], facts: Facts, items: Items, unusable: Callable[[Named, str], None]) -> list[Made]:
    """Make rules ready; those that cannot be read, as of a newer or older release, are told of and left out."""
    found = []
    for named in rules:
        try:
            found.append(made(named, facts, items))
        except Wrong as wrong:
            unusable(named, str(wrong))
    return found
