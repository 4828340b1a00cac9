"""Conditions and formulas as functions of a view, made once; nothing is looked up or interpreted when they are asked."""

# long: one function a kind of node

import math
import operator
from collections.abc import Callable
from typing import Any

from app.data.conditions import checking
from app.data.conditions.syntax import (
    All,
    Among,
    Arithmetic,
    Choice,
    Compare,
    Contains,
    Either,
    Fact,
    Flag,
    Function,
    Holds,
    Known,
    Not,
    Number,
    Term,
    Test,
    Text,
)
from app.data.facts.domain import LARGEST, Type, Value
from app.data.facts.entries import Facts

Tests = Callable[[Any], bool]
Numbers = Callable[[Any], float | None]
_OPS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def number_of(value: Value) -> float | None:
    """Return a value as a number: a text that spells one, 1 and 0 for flags; None for all else, and for what is not finite."""
    if value.__class__ is float:
        return value if -LARGEST <= value <= LARGEST else None
    if value is None or isinstance(value, frozenset):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if -LARGEST <= found <= LARGEST else None


def text_of(value: Value) -> str | None:
    """Return a value as texts are compared: without regard to case and outer spaces; None for what is unknown or a set."""
    if isinstance(value, str):
        return value.strip().casefold()
    if value is None or isinstance(value, frozenset):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}"


def flag_of(value: Value) -> bool | None:
    """Return a value as a flag: the texts true, yes, 1 and their opposites count; None for all else."""
    if value.__class__ is bool:
        return value
    text = text_of(value)
    return True if text in ("true", "yes", "1") else False if text in ("false", "no", "0") else None


def value(term: Term, facts: Facts) -> Callable[[Any], Value]:
    """Return the function that gives a term's value."""
    if isinstance(term, Fact):
        return facts.reading(term.ref)
    if isinstance(term, Number | Text | Flag):
        constant: Value = term.value
        return lambda view: constant
    if isinstance(term, Choice):
        when, then, otherwise = test(term.when, facts), value(term.then, facts), value(term.otherwise, facts)
        return lambda view: then(view) if when(view) else otherwise(view)
    if isinstance(term, Function) and term.name == "default":
        first, second = value(term.arguments[0], facts), value(term.arguments[1], facts)
        return lambda view: second(view) if (found := first(view)) is None else found
    return number(term, facts)


def number(term: Term, facts: Facts) -> Numbers:
    """Return the function that gives a term as a number; None for what is unknown, is divided by zero, or leaves 15 digits."""
    if isinstance(term, Arithmetic):
        return _arithmetic(term, facts)
    if isinstance(term, Function) and term.name != "default":
        return _function(term, facts)
    read = value(term, facts)
    return lambda view: number_of(read(view))


def _arithmetic(term: Arithmetic, facts: Facts) -> Numbers:
    left, right = number(term.left, facts), number(term.right, facts)
    ops: dict[str, Callable[[float, float], float]] = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
    op, divides = ops[term.op], term.op == "/"

    def found(view: Any) -> float | None:
        one, other = left(view), right(view)
        if one is None or other is None or (divides and other == 0.0):
            return None
        result = op(one, other)
        return result if -LARGEST <= result <= LARGEST else None

    return found


def _function(term: Function, facts: Facts) -> Numbers:
    arguments = [number(one, facts) for one in term.arguments]
    made: dict[str, Callable[..., float]] = {
        "min": min, "max": max, "abs": abs, "round": round, "sqrt": math.sqrt, "log": math.log, "exp": math.exp,
    }  # fmt: skip
    op = made[term.name]

    def found(view: Any) -> float | None:
        values = [read(view) for read in arguments]
        if None in values:
            return None
        try:
            result = float(op(*values))
        except (ValueError, OverflowError):
            return None
        return result if -LARGEST <= result <= LARGEST else None

    return found


def test(node: Test, facts: Facts) -> Tests:
    """Return the function that tells whether a condition holds."""
    if isinstance(node, Compare):
        return _compare(node, facts)
    if isinstance(node, All):
        return _all([test(one, facts) for one in node.tests])
    if isinstance(node, Either):
        return _any([test(one, facts) for one in node.tests])
    if isinstance(node, Not):
        inner = test(node.test, facts)
        return lambda view: not inner(view)
    if isinstance(node, Known):
        read = facts.reading(node.ref)
        return lambda view: read(view) is not None
    if isinstance(node, Holds):
        held = value(node.term, facts)
        return lambda view: flag_of(held(view)) is True
    if isinstance(node, Among):
        return _among(node, facts)
    return _contains(node, facts)


def _all(tests: list[Tests]) -> Tests:
    if len(tests) == 2:
        one, other = tests
        return lambda view: one(view) and other(view)

    def found(view: Any) -> bool:
        for each in tests:  # noqa: SIM110 - a generator costs more
            if not each(view):
                return False
        return True

    return found


def _any(tests: list[Tests]) -> Tests:
    def found(view: Any) -> bool:
        for each in tests:  # noqa: SIM110 - a generator costs more
            if each(view):
                return True
        return False

    return found


def _compare(node: Compare, facts: Facts) -> Tests:
    op, types = _OPS[node.op], (checking.type_of(node.left, facts), checking.type_of(node.right, facts))
    if types == (Type.NUMBER, Type.NUMBER) and isinstance(node.left, Fact) and isinstance(node.right, Number):
        # what most conditions are; a number that a fact gives needs no look
        read, constant = facts.reading(node.left.ref), node.right.value
        return lambda view: (found := read(view)) is not None and op(found, constant)
    kind: Any = number_of if Type.NUMBER in types or Type.MOMENT in types else text_of if Type.TEXT in types else None
    kind = flag_of if kind is None and Type.FLAG in types else kind
    left, right = value(node.left, facts), value(node.right, facts)

    def found(view: Any) -> bool:
        first, second = left(view), right(view)
        same = kind or (number_of if first.__class__ is float and second.__class__ is float else text_of)
        one, other = same(first), same(second)
        return one is not None and other is not None and op(one, other)

    return found


def _among(node: Among, facts: Facts) -> Tests:
    read, negated = value(node.term, facts), node.negated
    # a number may be told as a text, and the other way round
    wanted = frozenset(said for one in node.values if (said := text_of(one.value)) is not None)  # type: ignore[union-attr]

    def found(view: Any) -> bool:
        given = read(view)
        if given is None:
            return False
        if isinstance(given, frozenset):
            return wanted.isdisjoint({text_of(one) for one in given}) is negated
        return (text_of(given) in wanted) is not negated

    return found


def _contains(node: Contains, facts: Facts) -> Tests:
    whole, part = value(node.whole, facts), value(node.part, facts)

    def found(view: Any) -> bool:
        given, wanted = whole(view), text_of(part(view))
        if given is None or wanted is None:
            return False
        if isinstance(given, frozenset):
            return wanted in {text_of(one) for one in given}
        text = text_of(given)
        return text is not None and wanted in text

    return found
