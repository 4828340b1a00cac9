"""Whether the parts of a condition fit together, and whether it may stand where it does. Pure."""

import difflib
from collections.abc import Collection

from app.data.conditions.syntax import (
    Among,
    Arithmetic,
    Choice,
    Compare,
    Contains,
    Fact,
    Flag,
    Function,
    Holds,
    Known,
    Node,
    Number,
    Term,
    Text,
    Wrong,
    walk,
)
from app.data.facts.domain import Motion, Subject, Type
from app.data.facts.entries import Facts

SECONDS = {"days": 86_400.0, "hours": 3_600.0}
"""Units of the facts that grow with time, in seconds."""


def type_of(term: Term, facts: Facts) -> Type:
    """Return what a term is; `any` where only the moment tells."""
    if isinstance(term, Fact):
        return facts.of(term.ref).type
    if isinstance(term, Text):
        return Type.TEXT
    if isinstance(term, Flag):
        return Type.FLAG
    if isinstance(term, Choice):
        one, other = type_of(term.then, facts), type_of(term.otherwise, facts)
        return one if one == other else Type.ANY
    return Type.NUMBER


def checked(node: Node, facts: Facts) -> Node:
    """Return a node whose parts fit together; raises Wrong."""
    for one in walk(node):
        if isinstance(one, Compare):
            _compared(one, facts)
        elif isinstance(one, Among):
            _among(one, facts)
        elif isinstance(one, Contains):
            _contains(one, facts)
        elif isinstance(one, Holds) and type_of(one.term, facts) not in (Type.FLAG, Type.ANY):
            raise Wrong(f"{_named(one.term)} is a {type_of(one.term, facts)}: compare it with something")
        elif isinstance(one, Arithmetic):
            _numbers((one.left, one.right), one.op, facts)
        elif isinstance(one, Function) and one.name != "default":
            _numbers(one.arguments, one.name, facts)
    return node


def _compared(one: Compare, facts: Facts) -> None:
    left, right = type_of(one.left, facts), type_of(one.right, facts)
    if Type.SET in (left, right):
        raise Wrong(f'{_named(one.left if left is Type.SET else one.right)} is a set: ask `... contains "x"`')
    if Type.ANY not in (left, right) and left != right:
        raise Wrong(f"{_named(one.left)} is a {left}, {_named(one.right)} is a {right}: they cannot be compared")
    if one.op not in ("=", "!=") and Type.FLAG in (left, right):
        raise Wrong(f"{_named(one.left)} is true or false, and neither more nor less")
    for fact, value in ((one.left, one.right), (one.right, one.left)):
        if isinstance(fact, Fact) and isinstance(value, Text):
            _one_of(fact, value, facts)


def _one_of(fact: Fact, value: Text, facts: Facts) -> None:
    entry = facts.of(fact.ref)
    if entry.values and entry.keys == "" and value.value.casefold() not in {one.casefold() for one in entry.values}:
        near = difflib.get_close_matches(value.value.casefold(), entry.values, 1, 0.5)
        hint = f"; did you mean {near[0]}?" if near else f": it is one of {', '.join(entry.values)}"
        raise Wrong(f'{fact.ref} is never "{value.value}"{hint}')


def _among(one: Among, facts: Facts) -> None:
    wanted = type_of(one.term, facts)
    for value in one.values:
        if wanted in (Type.NUMBER, Type.MOMENT, Type.TEXT, Type.FLAG) and type_of(value, facts) != wanted:
            raise Wrong(f"{_named(one.term)} is a {wanted}, but {_named(value)} in the list is a {type_of(value, facts)}")
        if isinstance(one.term, Fact) and isinstance(value, Text):
            _one_of(one.term, value, facts)


def _contains(one: Contains, facts: Facts) -> None:
    whole = type_of(one.whole, facts)
    if whole not in (Type.TEXT, Type.SET, Type.ANY):
        raise Wrong(f"{_named(one.whole)} is a {whole}: nothing can be in it")


def _numbers(terms: Collection[Term], op: str, facts: Facts) -> None:
    for term in terms:
        if type_of(term, facts) not in (Type.NUMBER, Type.ANY, Type.MOMENT, Type.FLAG) or isinstance(term, Text):
            raise Wrong(f"{op} takes numbers, and {_named(term)} is a {type_of(term, facts)}")


def _named(term: Term) -> str:
    if isinstance(term, Fact):
        return str(term.ref)
    if isinstance(term, Text):
        return f'"{term.value}"'
    if isinstance(term, Number):
        return f"{term.value:g}"
    return "this"


def subjects(node: Node, facts: Facts) -> frozenset[Subject]:
    """Return what must be known to evaluate a node."""
    return frozenset(facts.of(one.ref).subject for one in walk(node) if isinstance(one, Fact | Known))


def only(node: Node, facts: Facts, allowed: Collection[Subject], what: str) -> None:
    """Refuse a node that reads more than may be known where it stands; raises Wrong."""
    for one in walk(node):
        if isinstance(one, Fact | Known) and (found := facts.of(one.ref).subject) not in allowed:
            raise Wrong(f"{one.ref} is of the {found}, which {what} does not know")


def moving(node: Node, facts: Facts) -> None:
    """Refuse a condition whose next change cannot be told: a fact that moves at every moment must be compared with a number alone."""
    fine = set()
    for one in walk(node):
        if isinstance(one, Compare):
            for fact, value in ((one.left, one.right), (one.right, one.left)):
                if (
                    isinstance(fact, Fact)
                    and isinstance(value, Number)
                    and one.op not in ("=", "!=")
                    and facts.of(fact.ref).unit in SECONDS
                ):
                    fine.add(id(fact))
    for one in walk(node):
        if isinstance(one, Fact) and facts.of(one.ref).motion is Motion.STEADY and id(one) not in fine:
            raise Wrong(f"{one.ref} changes at every moment: compare it with a number by <, <=, > or >=")
