"""What the rules that act together do to candidates: masks and factors of all items, made once; the rest is bound to a call."""

# long: what each action does, one below the other

import hashlib
import itertools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from app.data.facts.domain import Seen
from app.decisions.rules import members, vector
from app.decisions.rules.hanging import hanging
from app.decisions.rules.members import Some
from app.decisions.rules.ranking import Key, Limit, Member, Need, Variety, Wanted
from app.decisions.rules.vector import Bools, Floats

if TYPE_CHECKING:
    from app.decisions.rules.program import Items, Made

_SMALLEST = 1e-6
_numbers = itertools.count(1)
# rules that keep items out, and so can leave too few
NARROWING = frozenset({"include", "exclude", "share", "cap", "minimum_score", "freshness", "no_repeat", "bought"})


class Bound(NamedTuple):
    """A plan for one call: other scores for items by index and score, the order wanted, what hides an item, the least scores of a
    model with the items they hold for, and the factors of all items where the call changes none.
    """

    rescore: Callable[[vector.Ints, Floats], Floats] | None
    wanted: Wanted
    hides: Sequence[Member]
    floors: Sequence[tuple[float, Member | None]]
    factors: Floats | None


class Plan:
    """The rules that act on a call.

    `allowed` and `kept` are masks of the items that rules let through, None for all; `kept` without those that narrow to something
    (which are left alone before a block stays empty). `added` are those that come in beside the filter. `only` is what narrows a
    list so far that it is scored and kept apart, under the name `narrow`. `swapped` is the placement with another recommender, once made;
    `firsts` is for whoever looks up what passes. No two plans of a process have one `number`; `hangs` tells what their picks hang on.
    """

    def __init__(self, rules: Sequence[tuple["Made", Bools | None]], items: "Items", objective: str) -> None:
        self.rules, self.items, self.number = [one for one, _ in rules], items, next(_numbers)
        self.hangs = hanging(self.rules)
        self.allowed: Bools | None = None
        self.kept: Bools | None = None
        self.added: Bools | None = None
        self.only: Bools | None = None
        self.narrow = ""
        self.firsts: dict[Any, Any] = {}
        self.pins: list[tuple[int, Sequence[int]]] = []
        self.bought: list[tuple[int | None, Some]] = []
        self.unrepeated: list[tuple[Made, Some]] = []
        self.recommender = self.fallback = ""
        self._factor: Floats | None = None
        self._largest = 1.0
        self._last: Bools | None = None
        self._floors: list[tuple[float, Some]] = []
        self._hides: list[tuple[Some, bool]] = []
        self._factors: list[tuple[float, Some]] = []
        self._lasts: list[Some] = []
        self._limits: list[tuple[Made, Some, Key]] = []
        self._variety: Variety | None = None
        self._score: vector.Vector | None = None
        self._bounds: dict[int, Bound] = {}
        self.swapped: Any = None
        for one, mask in rules:
            getattr(self, f"_{one.action}")(one, Some(mask, one.each))
        if self._score is None and objective in ("revenue", "margin"):
            self._worth(items.numbers("item.price" if objective == "revenue" else "item.margin"))
        self.acts = bool(rules) or self._factor is not None

    # what each action does, by its word

    def _include(self, one: "Made", some: Some) -> None:
        if one.named.rule.add:
            if some.mask is not None:
                self.added = some.mask if self.added is None else self.added | some.mask
        elif some.each is not None:
            self._hides.append((some, False))
        else:
            self._only(one, some.mask)

    def _exclude(self, one: "Made", some: Some) -> None:
        if some.each is not None:
            self._hides.append((some, True))
        elif some.mask is not None:
            self.allowed = ~some.mask if self.allowed is None else self.allowed & ~some.mask
            self.kept = ~some.mask if self.kept is None else self.kept & ~some.mask

    def _freshness(self, one: "Made", some: Some) -> None:
        with np.errstate(invalid="ignore"):
            fresh = self.items.numbers("item.age") <= float(one.named.rule.days or 0)
        if one.named.rule.factor is not None:
            self._lift(one.named.rule.factor, Some(fresh if some.mask is None else fresh & some.mask, some.each))
        elif some.each is not None:
            stale = Some(~fresh if some.mask is None else ~fresh & some.mask, some.each)
            self._hides.append((stale, True))
        else:
            self._only(one, fresh if some.mask is None else fresh | ~some.mask)

    def _boost(self, one: "Made", some: Some) -> None:
        self._lift(one.named.rule.factor or 1.0, some)

    def _bury(self, one: "Made", some: Some) -> None:
        if (factor := one.named.rule.factor) is not None:
            self._lift(factor, some)
        elif some.each is not None:
            self._lasts.append(some)
        elif some.mask is not None:
            self._last = some.mask if self._last is None else self._last | some.mask

    def _pin(self, one: "Made", some: Some) -> None:
        rule = one.named.rule
        first = (rule.place or 1) - 1
        self.pins += [(first + place, self.items.found(item)) for place, item in enumerate(rule.items)]

    def _share(self, one: "Made", some: Some) -> None:
        self._limits.append((one, some, members.key(None, some)))

    def _cap(self, one: "Made", some: Some) -> None:
        by = one.named.rule.by
        self._limits.append((one, some, members.key(self.items.codes(by) if by else None, some)))

    def _diversity(self, one: "Made", some: Some) -> None:
        rule = one.named.rule
        if self._variety is None:
            codes = self.items.codes(rule.by or "category")
            # what has no brand or category is like nothing else
            self._variety = Variety(one.named.name, rule.relevance or 0.0, lambda item: c if (c := codes[item]) >= 0 else -2 - item)

    def _minimum_score(self, one: "Made", some: Some) -> None:
        self._floors.append((one.named.rule.score or 0.0, some))

    def _no_repeat(self, one: "Made", some: Some) -> None:
        self.unrepeated.append((one, some))

    def _bought(self, one: "Made", some: Some) -> None:
        self.bought.append((one.named.rule.days, some))

    def _recommender(self, one: "Made", some: Some) -> None:
        rule = one.named.rule
        if rule.fallback:
            self.fallback = self.fallback or rule.recommender
        else:
            self.recommender = self.recommender or rule.recommender

    def _formula(self, one: "Made", some: Some) -> None:
        self._score = self._score or one.score

    # how they are put together

    def _only(self, one: "Made", mask: Bools | None) -> None:
        if mask is not None:
            self.allowed = mask if self.allowed is None else self.allowed & mask
            self.only = mask if self.only is None else self.only & mask
            spelled = f"{self.narrow} {one.named.number}.{one.named.version}"
            self.narrow = hashlib.blake2b(spelled.encode(), digest_size=6).hexdigest()

    def _lift(self, factor: float, some: Some) -> None:
        if some.each is not None:
            self._factors.append((factor, some))
            self._largest *= max(1.0, factor)
            return
        if self._factor is None:
            self._factor = np.ones(len(self.items))
        if some.mask is None:
            self._factor *= factor
        else:
            self._factor[some.mask] *= factor

    def _worth(self, values: Floats) -> None:
        known = values[np.isfinite(values) & (values > 0)]
        if len(known):
            worth = np.where(np.isfinite(values), np.maximum(values / known.mean(), _SMALLEST), 1.0)
            self._factor = worth if self._factor is None else self._factor * worth

    def bound(self, view: Callable[[], Seen], places: int) -> Bound:
        """Return what a call needs that shows so many places; the view is read while it is used."""
        found = self._bounds.get(places)
        if found is None:
            found = self._bind(view(), places)
            if not self._asks:
                self._bounds[places] = found
        # the formula alone looks at each call
        return found if self._score is None else found._replace(rescore=_rescoring(self._score, self.items, view()))

    def thinned(self, items: vector.Ints, spare: int) -> Bools:
        """Return which of some items, best first, are enough to fill a list: of each key of a cap so many, and `spare` ones."""
        kept = np.ones(len(items), np.bool_)
        for one, some, _ in self._limits:
            rule = one.named.rule
            if rule.action != "cap" or not rule.by or some.each is not None:
                continue
            codes = np.asarray(self.items.codes(rule.by))[items]
            order = np.argsort(codes, kind="stable")
            begins = np.searchsorted(codes[order], codes[order])
            place = np.empty(len(items), np.int64)
            place[order] = np.arange(len(items)) - begins
            few = (place < (rule.most or 1) + spare) | (codes < 0)
            kept &= few if some.mask is None else few | ~some.mask[items]
        return kept

    @property
    def _asks(self) -> bool:
        some = [*self._factors, *self._floors, *((0, one) for one in self._lasts), *((0, one) for _, one, _ in self._limits)]
        return bool(self._hides) or any(one.each is not None for _, one in some)

    def _bind(self, view: Seen, places: int) -> Bound:
        largest = self._largest * (max(1.0, float(self._factor.max())) if self._factor is not None and len(self._factor) else 1.0)
        wanted = Wanted(
            self._multiplying(view), largest, self._lasting(view), self._limited(view, places), self._needed(view, places),
            self._variety,
        )  # fmt: skip
        hides = [members.member(some, view, self.items, within=within) for some, within in self._hides]
        floors = [(score, members.asked(some, view, self.items)) for score, some in self._floors]
        return Bound(None, wanted, hides, floors, None if self._factors else self._factor)

    def _multiplying(self, view: Seen) -> Callable[[int], float] | None:
        still = self._factor.data.__getitem__ if self._factor is not None else None
        if not self._factors:
            return still
        asked = [(factor, members.member(some, view, self.items)) for factor, some in self._factors]

        def found(item: int) -> float:
            product = still(item) if still is not None else 1.0
            for factor, member in asked:
                if member(item):
                    product *= factor
            return product

        return found

    def _lasting(self, view: Seen) -> Member | None:
        some = [*([Some(self._last, None)] if self._last is not None else []), *self._lasts]
        about = [members.member(one, view, self.items) for one in some]
        if len(about) < 2:
            return about[0] if about else None
        return lambda item: any(member(item) for member in about)

    def _limited(self, view: Seen, places: int) -> list[Limit]:
        found = []
        for one, some, key in self._limits:
            rule = one.named.rule
            if rule.action == "share" and rule.at_most is None:
                continue
            most = rule.most or 1 if rule.action == "cap" else math.floor((rule.at_most or 0.0) * places + 1e-9)
            asked = key if some.each is None else members.keyed(key, members.member(some, view, self.items))
            found.append(Limit(one.named.name, most, asked))
        return found

    def _needed(self, view: Seen, places: int) -> list[Need]:
        return [
            Need(one.named.name, math.ceil(rule.at_least * places - 1e-9), members.member(some, view, self.items))
            for one, some, _ in self._limits
            if (rule := one.named.rule).action == "share" and rule.at_least
        ]


def _rescoring(score: vector.Vector, items: "Items", view: Seen) -> Callable[[vector.Ints, Floats], Floats]:
    def rescore(index: vector.Ints, before: Floats) -> Floats:
        with np.errstate(all="ignore"):
            fresh = score(vector.Pool(index, before, items, view))
        # a formula without a value leaves the score as it was
        return np.where(np.isfinite(fresh), fresh, before)

    return rescore
