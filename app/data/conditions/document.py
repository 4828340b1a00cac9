"""The spelling of a condition for programs: plain objects that JSON holds.

`{"all": [...]}`, `{"any": [...]}`, `{"not": ...}`, `{"known": fact}`, `{"holds": fact}`, and comparisons of a fact, or of an expression,
by `is` with a `value` or with `other`, another fact or expression; `in` and `not_in` with a list; `contains` with a value. A text
anywhere is a condition in its spelling for people.
"""

from collections.abc import Sequence
from typing import Any

from app.data.conditions import parsing, writing
from app.data.conditions.syntax import (
    COMPARISONS,
    MOST_DEPTH,
    MOST_NODES,
    All,
    Among,
    Compare,
    Contains,
    Either,
    Fact,
    Flag,
    Holds,
    Known,
    Not,
    Number,
    Term,
    Test,
    Text,
    Wrong,
)
from app.data.facts.domain import LARGEST
from app.data.facts.entries import Facts

_FORMS = "all, any, not, known, holds, or fact with is, in, not_in or contains"


def read(written: Any, facts: Facts, place: str = "", depth: int = 0) -> Test:
    """Return what a document says; raises Wrong with the field that cannot be read."""
    if isinstance(written, str):
        try:
            return parsing.condition(written, facts)
        except Wrong as error:
            raise Wrong(str(error) if error.place else error.message, place) from error
    if not isinstance(written, dict):
        raise Wrong(f"a condition is a text or an object with {_FORMS}", place)
    if depth > MOST_DEPTH:
        raise Wrong(f"nested deeper than {MOST_DEPTH} levels", place)
    dot = f"{place}." if place else ""
    match written:
        case {"all": list(parts), **rest} if not rest:
            return All(_each(parts, facts, f"{dot}all", depth))
        case {"any": list(parts), **rest} if not rest:
            return Either(_each(parts, facts, f"{dot}any", depth))
        case {"not": inner, **rest} if not rest:
            return Not(read(inner, facts, f"{dot}not", depth + 1))
        case {"known": str(fact), **rest} if not rest:
            return Known(_fact(fact, facts, f"{dot}known"))
        case {"holds": str(fact), **rest} if not rest:
            return Holds(_term(fact, facts, f"{dot}holds"))
        case {"fact": str(fact), **rest}:
            return _comparison(_term(fact, facts, f"{dot}fact"), rest, facts, place)
    raise Wrong(f"{', '.join(map(str, written)) or 'an empty object'}: a condition has {_FORMS}", place)


def _each(parts: Sequence[Any], facts: Facts, place: str, depth: int) -> tuple[Test, ...]:
    if len(parts) > MOST_NODES:
        raise Wrong(f"more than {MOST_NODES:,} parts: split it into segments", place)
    return tuple(read(one, facts, f"{place}.{index}", depth + 1) for index, one in enumerate(parts))


def _comparison(term: Term, rest: dict[str, Any], facts: Facts, place: str) -> Test:
    dot = f"{place}." if place else ""
    match rest:
        case {"is": str(op), "value": value, **more} if not more:
            return Compare(_op(op, f"{dot}is"), term, _constant(value, f"{dot}value"))
        case {"is": str(op), "other": str(other), **more} if not more:
            return Compare(_op(op, f"{dot}is"), term, _term(other, facts, f"{dot}other"))
        case {"in": list(values), **more} if not more and values:
            return Among(term, tuple(_constant(one, f"{dot}in.{index}") for index, one in enumerate(values)))
        case {"not_in": list(values), **more} if not more and values:
            return Among(term, tuple(_constant(one, f"{dot}not_in.{index}") for index, one in enumerate(values)), negated=True)
        case {"contains": value, **more} if not more:
            return Contains(term, _constant(value, f"{dot}contains"))
    raise Wrong("beside fact stands is with value or other, in or not_in with a list that is not empty, or contains", place)


def _op(op: str, place: str) -> str:
    same = {"==": "=", "<>": "!="}.get(op, op)
    if same not in COMPARISONS:
        raise Wrong(f"{op} is none of {', '.join(COMPARISONS)}", place)
    return same


def _constant(value: Any, place: str) -> Number | Text | Flag:
    if isinstance(value, bool):
        return Flag(value)
    if isinstance(value, int | float):
        if abs(value) > LARGEST:
            raise Wrong("a number has at most 15 digits", place)
        return Number(float(value))
    if isinstance(value, str):
        return Text(value)
    raise Wrong("a value is a number, a text, true or false", place)


def _term(written: str, facts: Facts, place: str) -> Term:
    try:
        return parsing.formula(written, facts)
    except Wrong as error:
        raise Wrong(str(error), place) from error


def _fact(written: str, facts: Facts, place: str) -> Any:
    found = _term(written, facts, place)
    if not isinstance(found, Fact):
        raise Wrong("the name of a fact is expected here", place)
    return found.ref


# long: one line a kind of node
def write(node: Test) -> dict[str, Any]:
    """Return a condition as a document."""
    match node:
        case All(tests):
            return {"all": [write(one) for one in tests]}
        case Either(tests):
            return {"any": [write(one) for one in tests]}
        case Not(inner):
            return {"not": write(inner)}
        case Known(ref):
            return {"known": str(ref)}
        case Holds(term):
            return {"holds": writing.text(term)}
        case Among(term, values, negated):
            return {"fact": writing.text(term), "not_in" if negated else "in": [one.value for one in values]}  # type: ignore[union-attr]
        case Contains(whole, Number(value) | Text(value) | Flag(value)):
            return {"fact": writing.text(whole), "contains": value}
        case Compare(op, left, Number(value) | Text(value) | Flag(value)):
            return {"fact": writing.text(left), "is": op, "value": value}
        case Compare(op, left, right):
            return {"fact": writing.text(left), "is": op, "other": writing.text(right)}
    raise Wrong("this condition has no document of its own; write it as a text")
