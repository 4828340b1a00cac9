"""A condition as a sentence."""

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
    Test,
    Text,
)
from app.data.facts.domain import Ref
from app.data.facts.entries import Facts

_WINDOWS = {"1h": "hour", "24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days", "365d": "365 days"}
_OPS = {"=": "is", "!=": "is not", "<": "is less than", "<=": "is at most", ">": "is more than", ">=": "is at least"}
_SIGNS = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}


def sentence(node: Node, facts: Facts) -> str:
    """Return a condition or formula in words, as one sentence."""
    said = _said(node, facts)
    return f"{said[:1].upper()}{said[1:]}."


def ref_in_words(ref: Ref, facts: Facts) -> str:
    """Return a fact in words, with its key and window."""
    window = f" in the last {_WINDOWS.get(ref.window, ref.window)}" if ref.window else ""
    return facts.of(ref).words.replace("{key}", ref.key).replace("{window}", window)


def _group(tests: tuple[Test, ...], word: str, facts: Facts) -> str:
    parts = [f"({_said(one, facts)})" if isinstance(one, All | Either) and len(tests) > 1 else _said(one, facts) for one in tests]
    return f" {word} ".join(parts) or ("always" if word == "and" else "never")


# long: one line a kind of node
def _said(node: Node, facts: Facts) -> str:
    match node:
        case Number(value):
            return f"{value:,.10g}"
        case Text(value):
            return f"“{value}”"
        case Flag(value):
            return "true" if value else "false"
        case Fact(ref):
            return ref_in_words(ref, facts)
        case Arithmetic(op, left, right):
            return f"{_said(left, facts)} {_SIGNS[op]} {_said(right, facts)}"
        case Function("default", (first, second)):
            return f"{_said(first, facts)} ({_said(second, facts)} where unknown)"
        case Function(name, arguments):
            return f"the {name} of {', '.join(_said(one, facts) for one in arguments)}"
        case Choice(when, then, otherwise):
            return f"{_said(then, facts)} where {_said(when, facts)}, else {_said(otherwise, facts)}"
        case Compare(op, left, right):
            return f"{_said(left, facts)} {_OPS[op]} {_said(right, facts)}"
        case Among(term, values, negated):
            listed = [_said(one, facts) for one in values]
            either = ", ".join(listed[:-1]) + (" or " if listed[1:] else "") + listed[-1]
            return f"{_said(term, facts)} is {'not ' if negated else ''}{either}"
        case Contains(whole, part):
            return f"{_said(whole, facts)} contains {_said(part, facts)}"
        case Holds(Fact(ref)) if facts.of(ref).words.startswith("in the segment"):
            return f"the person is {ref_in_words(ref, facts)}"
        case Holds(term):
            return f"there is {_said(term, facts)}"
        case Known(ref):
            return f"{ref_in_words(ref, facts)} is known"
        case Not(Known(ref)):
            return f"{ref_in_words(ref, facts)} is unknown"
        case Not(All(tests) | Either(tests) as inner) if len(tests) > 1:
            return f"it is not so that ({_said(inner, facts)})"
        case Not(inner):
            return f"it is not so that {_said(inner, facts)}"
        case All(tests):
            return _group(tests, "and", facts)
        case Either(tests):
            return _group(tests, "or", facts)
