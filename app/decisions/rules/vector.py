"""Conditions on items, and formulas, for many items at once; what columns cannot tell alike is asked item by item."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from app.data.conditions import checking, compiled
from app.data.conditions.syntax import All, Arithmetic, Choice, Compare, Either, Fact, Function, Node, Not, Number, Term, Test, refs
from app.data.facts.domain import LARGEST, Ref, Seen, Subject, Type, Value
from app.data.facts.entries import Facts

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}
_FUNCTIONS: dict[str, Callable[..., Any]] = {"abs": np.abs, "sqrt": np.sqrt, "log": np.log, "exp": np.exp}


class Columns(Protocol):
    """Facts of items by index."""

    now: float

    def __len__(self) -> int: ...
    def item(self, index: int) -> Any:
        """Return one item, as a view has it."""
        ...

    def numeric(self, name: str, key: str) -> bool:
        """Tell whether a fact is a column of numbers."""
        ...

    def numbers(self, name: str, key: str = "") -> Floats:
        """Return a column of numbers, NaN where nothing is known."""
        ...

    def coded(self, name: str, key: str = "") -> tuple[Ints, list[Value]]:
        """Return any other column: the place of each item's value in a list of values."""
        ...


class _Told:
    """An item of which one value is known."""

    def __init__(self, value: Value) -> None:
        self._value = value

    def value(self, name: str, key: str) -> Value:
        return self._value


def about_items(node: Node, facts: Facts) -> frozenset[Ref]:
    """Return the facts of items that a node reads."""
    return frozenset(ref for ref in refs(node) if facts.of(ref).subject is Subject.ITEM)


def holds(test: Test, facts: Facts, items: Columns) -> Bools:
    """Return for each item whether a condition holds that reads items alone."""
    if isinstance(test, All | Either):
        found = np.full(len(items), isinstance(test, All))
        for one in test.tests:
            found = found & holds(one, facts, items) if isinstance(test, All) else found | holds(one, facts, items)
        return found
    if isinstance(test, Not):
        return ~holds(test.test, facts, items)
    if isinstance(test, Compare) and isinstance(test.left, Number):
        test = Compare(_TURNED.get(test.op, test.op), test.right, test.left)
    read = about_items(test, facts)
    asked = compiled.test(test, facts)
    if isinstance(test, Compare) and (column := _column(test.left, facts, items)) is not None and isinstance(test.right, Number):
        with np.errstate(invalid="ignore"):
            return np.asarray(_COMPARE[test.op](column, test.right.value) & ~np.isnan(column), np.bool_)
    if len(read) == 1 and not items.numeric(*(ref := next(iter(read)))[:2]):
        codes, values = items.coded(ref.name, ref.key)
        told = np.array([asked(Seen(item=_Told(value), now=items.now)) for value in values], np.bool_)
        return told[codes] if len(codes) else np.zeros(0, np.bool_)
    return np.array([asked(Seen(item=items.item(index), now=items.now)) for index in range(len(items))], np.bool_)


def _column(term: Term, facts: Facts, items: Columns) -> Floats | None:
    if isinstance(term, Fact) and facts.of(term.ref).type is Type.NUMBER and items.numeric(term.ref.name, term.ref.key):
        return items.numbers(term.ref.name, term.ref.key)
    return None


class Pool(NamedTuple):
    """Some items of one answer: their indexes and scores, and what else a formula reads."""

    at: Ints
    scores: Floats
    items: Columns
    view: Any


Vector = Callable[[Pool], Any]


def number(term: Term, facts: Facts) -> Vector:
    """Return the function that gives a formula for each item of a pool; NaN where it has no value."""
    made = _number(term, facts)
    if made is None:
        return _each(compiled.number(term, facts))
    whole = made
    return lambda pool: _finite(whole(pool))


def _each(read: Callable[[Any], float | None]) -> Vector:
    def found(pool: Pool) -> Any:
        view, told = pool.view, []
        for index, score in zip(pool.at.tolist(), pool.scores.tolist(), strict=True):
            view.item, view.score = pool.items.item(index), score
            told.append(read(view))
        return np.array([np.nan if one is None else one for one in told], np.float64)

    return found


def _finite(values: Any) -> Any:
    return np.where(np.abs(values) <= LARGEST, values, np.nan)


def _number(term: Term, facts: Facts, *, keeps: bool = True) -> Vector | None:
    """Return the function for whole arrays, None where there is none; with `keeps` parts that items alone tell are kept as columns."""
    if not about_items(term, facts):
        read = compiled.number(term, facts)
        return lambda pool: np.nan if (found := read(pool.view)) is None else found
    if isinstance(term, Fact):
        return _fact(term.ref, facts)
    if keeps and checking.subjects(term, facts) <= {Subject.ITEM} and not any(ref.name == "score" for ref in refs(term)):
        made = _number(term, facts, keeps=False)
        return None if made is None else lambda pool: _column_of(term, made, pool.items)[pool.at]
    if isinstance(term, Arithmetic):
        return _binary(_ARITHMETIC[term.op], [term.left, term.right], facts, keeps, settle=term.op == "/")
    if isinstance(term, Function) and term.name in _FUNCTIONS:
        return _binary(_FUNCTIONS[term.name], term.arguments, facts, keeps, settle=True)
    if isinstance(term, Choice):
        then, otherwise = (_number(one, facts, keeps=keeps) for one in (term.then, term.otherwise))
        when = _when(term.when, facts)
        if then is None or otherwise is None or when is None:
            return None
        return lambda pool: np.where(when(pool), then(pool), otherwise(pool))
    return None


def _fact(ref: Ref, facts: Facts) -> Vector | None:
    if ref.name == "score":
        return lambda pool: pool.scores
    if facts.of(ref).type is not Type.NUMBER:
        return None
    return lambda pool: pool.items.numbers(ref.name, ref.key)[pool.at]


def _binary(op: Callable[..., Any], terms: Sequence[Term], facts: Facts, keeps: bool, *, settle: bool) -> Vector | None:
    """Return an operation over arrays; those that may leave the numbers `settle` at once, so that nothing finite is made of it again."""
    parts = [_number(one, facts, keeps=keeps) for one in terms]
    if any(one is None for one in parts):
        return None
    reads: list[Vector] = [one for one in parts if one is not None]
    if len(reads) == 2 and not settle:
        left, right = reads
        return lambda pool: op(left(pool), right(pool))
    return lambda pool: _finite(op(*(read(pool) for read in reads)))


def _when(test: Test, facts: Facts) -> Vector | None:
    if checking.subjects(test, facts) <= {Subject.ITEM}:
        # the score is no column
        if any(ref.name == "score" for ref in refs(test)):
            return None
        return lambda pool: _kept(test, facts, pool.items)[pool.at]
    if not about_items(test, facts):
        asked = compiled.test(test, facts)
        return lambda pool: asked(pool.view)
    return None


def _kept(test: Test, facts: Facts, items: Columns) -> Bools:
    """Return what holds for all items, computed once for each picture of them."""
    kept: dict[Any, Bools] = items.__dict__.setdefault("_held", {})
    if test not in kept:
        kept[test] = holds(test, facts, items)
    return kept[test]


def _column_of(term: Term, made: Vector, items: Columns) -> Floats:
    """Return what a part of a formula that items alone tell comes to for all of them, computed once for each picture of them."""
    kept: dict[Any, Floats] = items.__dict__.setdefault("_told", {})
    if term not in kept:
        every = np.arange(len(items))
        kept[term] = np.broadcast_to(made(Pool(every, np.zeros(len(items)), items, Seen(now=items.now))), every.shape)
    return kept[term]


def warm(score: Vector, items: Columns, now: float) -> None:
    """Compute what a formula reads of all items, so that no call waits for it."""
    with np.errstate(all="ignore"):
        score(Pool(np.zeros(0, np.int64), np.zeros(0), items, Seen(now=now, request={}, ctx={})))
