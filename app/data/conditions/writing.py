"""The spelling of a condition for people, as a text that reads back as the same."""

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
    Node,
    Not,
    Number,
    Text,
)
from app.data.facts.domain import quoted

# how tightly each kind of node binds
_CHOICE, _OR, _AND, _NOT, _TEST, _SUM, _PRODUCT, _UNARY = range(8)


def text(node: Node) -> str:
    """Return the spelling of a node."""
    return _spelled(node)[0]


def _within(node: Node, least: int) -> str:
    said, binding = _spelled(node)
    return said if binding >= least else f"({said})"


# long: one line a kind of node
def _spelled(node: Node) -> tuple[str, int]:
    match node:
        case Number(value):
            return _number(value), _UNARY if value >= 0 else _PRODUCT
        case Text(value):
            return quoted(value), _UNARY
        case Flag(value):
            return "true" if value else "false", _UNARY
        case Fact(ref):
            return str(ref), _UNARY
        case Arithmetic(op, left, right):
            level = _SUM if op in "+-" else _PRODUCT
            return f"{_within(left, level)} {op} {_within(right, level + 1)}", level
        case Function(name, arguments):
            return f"{name}({', '.join(_within(one, _CHOICE) for one in arguments)})", _UNARY
        case Choice(when, then, otherwise):
            return f"{_within(when, _OR)} ? {_within(then, _CHOICE)} : {_within(otherwise, _CHOICE)}", _CHOICE
        case Compare(op, left, right):
            return f"{_within(left, _SUM)} {op} {_within(right, _SUM)}", _TEST
        case Among(term, values, negated):
            listed = ", ".join(text(one) for one in values)
            return f"{_within(term, _SUM)} {'not ' if negated else ''}in ({listed})", _TEST
        case Contains(whole, part):
            return f"{_within(whole, _SUM)} contains {_within(part, _SUM)}", _TEST
        case Holds(term):
            return _within(term, _UNARY), _UNARY
        case Known(ref):
            return f"known({ref})", _UNARY
        case Not(inner):
            return f"not {_within(inner, _TEST)}", _NOT
        case All(tests):
            return " and ".join(_within(one, _NOT) for one in tests) or "true", _AND
        case Either(tests):
            return " or ".join(_within(one, _AND) for one in tests) or "false", _OR


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
