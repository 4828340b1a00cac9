"""The rules of one call: they stand where lists of scored or popular groups become picks, and hold over all rungs of the ladder."""

# long: one call's rules, from the plan to the picks

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from app.data.facts.domain import Seen
from app.decisions.placements.domain import Filter
from app.decisions.rules.members import member
from app.decisions.rules.plan import NARROWING, Plan
from app.decisions.rules.ranking import Candidate, Member, Ranking, Wanted
from app.decisions.rules.vector import Floats
from app.serving.model.call import Call
from app.serving.model.candidates import Candidates
from app.serving.model.outcome import ItemReason, Pick
from app.serving.path.rules import passing, remembered, repeating
from app.serving.path.rules.rescoring import Scored, rescored
from app.serving.path.rules.viewing import planned, seen
from app.serving.snapshot.catalogue import Passing
from app.serving.snapshot.rules.programs import FILTER

_DAY = 86_400
# so many of a popular list are looked at for one answer
_MOST_POPULAR = 5_000
_PIECE = 64
_FOR_YOU, _AGAIN, _POPULAR = ItemReason.FOR_YOU, ItemReason.BOUGHT_BEFORE, ItemReason.POPULAR
_SCORED = frozenset({ItemReason.FOR_YOU, ItemReason.GOES_WITH})


class Asked(NamedTuple):
    """A list that was asked for picks, kept for `explain`: it may be another one under other rules."""

    listed: Callable[["Acting"], Scored]
    reason: ItemReason
    below: Mapping[int, float]
    wanted: Filter


class Acting:
    """The rules that act on a call, and what they have let into its answer so far."""

    __slots__ = (
        "_before", "_bought", "_call", "_factors", "_floors", "_hides", "_ranking", "_rescore", "_whole",
        "asked", "pins", "plan", "relaxed",
    )  # fmt: skip

    def __init__(self, call: Call, plan: Plan, picks: Sequence[Pick] = ()) -> None:
        """Begin; what an answer holds already stays where it is."""
        self._call, self.plan, self._before = call, plan, picks
        self.asked: list[Asked] = []
        self.relaxed = self._whole = False
        self.pins = passing.pins(call, plan) if plan.pins and not picks else []
        self._ranking: Ranking | None = None

    @property
    def ranking(self) -> Ranking:
        """The answer on its way, begun when it is first asked for: one that is remembered never asks."""
        return self._ranking or self._begun()

    def _begun(self) -> Ranking:
        call, plan = self._call, self.plan
        self._rescore, wanted, self._hides, self._floors, self._factors = plan.bound(self.view, call.limit)
        self._bought = _bought(call, plan, self.view()) if plan.bought else []
        if plan.unrepeated:
            self._bought += repeating.hidden(call, plan, self.view())
        self._ranking = Ranking(wanted, call.limit, self.pins)
        if self._before:
            self._ranking.keep(self._before)
        return self._ranking

    @property
    def room(self) -> int:
        """How many places are left."""
        return self._call.limit - len(self.pins) - len(self._before) if self._ranking is None else self._ranking.room

    def keep(self, picks: Sequence[Pick]) -> None:
        """Count picks as part of the answer; one that was remembered is whole, so nothing comes behind it."""
        if not self._whole:
            self.ranking.keep(picks)

    def view(self) -> Seen:
        """Return what conditions read."""
        return seen(self._call)

    @property
    def first(self) -> Passing:
        """What passes the filter of the call and the rules."""
        return passing.first(self._call, self.plan, self.relaxed)

    def choose(self, scored: Scored, reason: ItemReason, taken: frozenset[int], below: Mapping[int, float]) -> list[Pick]:
        """Return what a list of (group number, score), best first, gives to the answer."""
        call = self._call
        if call.explain:
            kept = list(scored)
            self.asked.append(Asked(lambda _: kept, reason, below, call.wanted))
            scored = kept
        elif self._ranking is None and not self._before and isinstance(scored, Candidates):
            return self._remembered(scored, reason, taken, below)
        return self._take(scored, reason, taken, below)

    def _remembered(self, listed: Candidates, reason: ItemReason, taken: frozenset[int], below: Mapping[int, float]) -> list[Pick]:
        """Return what a kept list gives to an answer that holds nothing yet; a whole answer is remembered."""
        key = remembered.key(self._call, self.plan, listed, reason)
        if key is not None and (found := remembered.KEPT.find(key)) is not None:
            self._whole = True
            return [*found]
        picks = self._take(listed, reason, taken, below)
        if key is not None and len(picks) >= self.room:
            remembered.KEPT.keep(key, tuple(picks))
        return picks

    def popular(self, listed: str, reason: ItemReason, taken: frozenset[int]) -> list[Pick]:
        """Return what a popular list gives to the answer; that of everybody goes on with all other groups."""
        if self._call.explain:
            self.asked.append(Asked(lambda acting: acting.listed(listed), reason, {}, self._call.wanted))
        return self._take(self.listed(listed), reason, taken, {})

    def again(self, asked: Asked, taken: frozenset[int]) -> list[Pick]:
        """Return what a list that was asked before gives under these rules."""
        before, self._call.wanted = self._call.wanted, asked.wanted
        try:
            return self._take(asked.listed(self), asked.reason, taken, asked.below)
        finally:
            self._call.wanted = before

    def enough(self, picks: Sequence[Pick]) -> bool:
        """Tell whether the kept list gave what it can: all that is wanted, or all but what rules kept back, as they would of another."""
        call = self._call
        if len(picks) >= self.room or call.cached is None:
            return len(picks) >= self.room
        place_of, hidden, banned = call.snapshot.catalogue.place_of, call.hidden(), call.banned
        first_of = call.snapshot.catalogue.passing(call.wanted).first_of
        groups = [place_of.get(number, -1) for number, _ in call.cached if number not in hidden]
        return sum(first_of[group] >= 0 and group not in banned for group in groups) >= call.limit

    def narrowed(self) -> Filter:
        """Return the filter of a list that rules narrow, with what passes it put beside what passes the others."""
        call = self._call
        own, catalogue = call.wanted.under(call.narrow), call.snapshot.catalogue
        if self.plan.only is not None:
            catalogue.keep(own, catalogue.first_of(catalogue.passing(call.wanted).items & self.plan.only))
        return own

    def unfiltered(self) -> "Acting":
        """Return these rules without the condition of the placement's filter, which is widened."""
        program = self._call.program
        if program is None or self.relaxed or not any(one.named.name == FILTER for one in self.plan.rules):
            return self
        return Acting(self._call, program.plan(self.view(), {FILTER}))

    def relax(self) -> bool:
        """Leave alone what narrows, but for what is excluded; False where nothing does."""
        if self.relaxed or not any(one.action in NARROWING for one in self.plan.rules):
            return False
        self.relaxed, self._rescore, self._hides, self._floors, self._bought = True, None, (), (), []
        self.pins = passing.pins(self._call, self.plan) if self.plan.pins else []
        self._ranking = Ranking(Wanted(), self._call.limit, self.pins)
        return True

    def may(self, item: int) -> bool:
        """Tell whether an item that marketing named for the worst day is not excluded."""
        return passing.may(self.plan, item)

    def short(self) -> str:
        """Return the rules that left too few items, as they are told."""
        names = [one.named.name for one in self.plan.rules if one.action in NARROWING and not one.named.rule.add]
        return ", ".join(names[:5])

    def listed(self, listed: str) -> Iterator[tuple[int, float]]:
        """Yield a popular list as group numbers and scores."""
        place = 0
        for start in range(0, min(len(found := passing.popular(self._call, self.plan, self.relaxed, listed)), _MOST_POPULAR), _PIECE):
            for number in found[start : start + _PIECE].tolist():
                place += 1
                yield number, 1.0 / place

    def _take(self, scored: Scored, reason: ItemReason, taken: frozenset[int], below: Mapping[int, float]) -> list[Pick]:
        ranking = self.ranking
        raw: dict[int, float] | None = None
        factors: Floats | None = None
        if self._rescore is not None:
            # a kept list is looked at as a whole, so its factors go along
            raw, factors = {}, self._factors if isinstance(scored, Candidates) else None
            scored = rescored(scored, self._call.snapshot.catalogue, self.first, self._rescore, factors, raw)
        shown = self._shown(scored, reason, taken, below, raw)
        return ranking.take(shown, last=reason is _POPULAR, multiplied=factors is not None)

    def _shown(
        self, scored: Scored, reason: ItemReason, taken: frozenset[int], below: Mapping[int, float], raw: Mapping[int, float] | None
    ) -> Iterator[Candidate]:
        """Yield what may be shown of a list; `raw` are its scores before a formula."""
        call = self._call
        out = call.banned | taken if taken else call.banned
        place_of, first_of = call.snapshot.catalogue.place_of, self.first.first_of
        hidden, bought, again = call.hidden(), call.bought, _AGAIN if reason is _FOR_YOU else reason
        asks = bool(self._hides or self._bought or (self._floors and reason in _SCORED))
        score = 0.0
        for number, score in scored:
            group = place_of.get(number, -1)
            item = first_of[group]
            if item < 0 or group in out or number in hidden:
                continue
            before = score if raw is None else raw.get(number, score)
            if asks and not self._passes(item, number, before, reason):
                continue
            yield item, score, again if number in bought else _POPULAR if before <= below.get(number, -1.0) else reason
        if self.plan.added is not None and reason in _SCORED:
            yield from self._added(score, out, hidden)

    def _added(self, score: float, out: frozenset[int], hidden: frozenset[int]) -> Iterator[Candidate]:
        """Yield the items that rules add beside the list, with the score of its last one."""
        catalogue, given = self._call.snapshot.catalogue, self.first.items
        assert self.plan.added is not None
        for item in np.flatnonzero(self.plan.added & given)[:_MOST_POPULAR].tolist():
            group = int(catalogue.group[item])
            if group not in out and int(catalogue.group_no[group]) not in hidden:
                yield item, score, _POPULAR

    def _passes(self, item: int, number: int, score: float, reason: ItemReason) -> bool:
        if any(hide(item) for hide in self._hides):
            return False
        if any(number in numbers and about(item) for numbers, about in self._bought):
            return False
        if reason in _SCORED:
            return not any(score < least and (about is None or about(item)) for least, about in self._floors)
        return True


def _bought(call: Call, plan: Plan, view: Seen) -> list[tuple[frozenset[int], Member]]:
    found = []
    for days, some in plan.bought:
        numbers = call.bought
        if days is not None and call.state is not None:
            whole = call.state.whole()
            since = int(view.now) // _DAY - days
            numbers = frozenset(whole.bought[whole.bought_day >= since].tolist()) if whole is not None else frozenset()
        if numbers:
            found.append((numbers, member(some, view, plan.items)))
    return found


def begin(call: Call, picks: Sequence[Pick]) -> Acting | None:
    """Return the rules that act on a call whose answer holds some picks already; None when none does."""
    plan = call.plan or planned(call)
    return Acting(call, plan, picks) if plan.acts else None
