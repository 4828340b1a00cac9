"""The next moment at which a condition can change although nothing happens, so that time costs a due row and never a scan."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from app.data.conditions import checking, compiled
from app.data.conditions.syntax import Compare, Fact, Known, Number, Test, walk
from app.data.facts.domain import Motion, Ref
from app.data.facts.entries import Facts

_AFTER = 0.001
# more moments than these are not looked through: the last one is a moment to look again
_MOST = 64
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
Moments = Callable[[Any], Sequence[float]]


def next_change(node: Test, facts: Facts) -> Callable[[Any], float | None]:
    """Return the function that tells, of a view, the next moment at which a condition changes by time alone; None for never.

    The condition holds at that moment if it does not now, and the other way round, unless the moment is one to look again. Every fact
    that moves steadily must have passed `checking.moving`.
    """
    holds, moments = compiled.test(node, facts), list(_moments(node, facts))
    if not moments:
        return lambda view: None

    def found(view: Any) -> float | None:
        now, memo = view.now, view.memo
        ahead = sorted({at for each in moments for at in each(view) if at > now})
        if not ahead:
            return None
        present = holds(view)
        view.memo = None  # it is of now
        try:
            for at in ahead[:_MOST]:
                view.now = at
                if holds(view) is not present:
                    return at
        finally:
            view.now, view.memo = now, memo
        return ahead[_MOST] if len(ahead) > _MOST else None

    return found


def _moments(node: Test, facts: Facts) -> Iterator[Moments]:
    """Give what tells the moments at which each comparison may change; a fact that stands in no simple one tells all of its own."""
    simple: set[int] = set()
    for one in walk(node):
        if isinstance(one, Compare):
            for fact, value, op in ((one.left, one.right, one.op), (one.right, one.left, _TURNED.get(one.op, one.op))):
                if isinstance(fact, Fact) and isinstance(value, Number) and op in _TURNED:
                    entry = facts.of(fact.ref)
                    if entry.motion is Motion.STEADY:
                        yield _crossing(fact, value.value, op, facts)
                    elif entry.falls is not None:
                        simple.add(id(fact))
                        yield _falling(fact, value.value, op, facts)
    left: set[Ref] = set()
    for one in walk(node):
        if isinstance(one, Fact | Known) and id(one) not in simple and facts.of(one.ref).motion is Motion.STEPS:
            left.add(one.ref)
    for ref in sorted(left):
        yield facts.of(ref).future(ref)


def _falling(fact: Fact, value: float, op: str, facts: Facts) -> Moments:
    """Return the moment at which a fact that only falls meanwhile falls below a value, or to it."""
    entry = facts.of(fact.ref)
    assert entry.falls is not None
    falls, to = entry.falls(fact.ref), op in (">", "<=")

    def moments(view: Any) -> Sequence[float]:
        at = falls(view, value, to)
        return () if at is None else (at,)

    return moments


def _crossing(fact: Fact, value: float, op: str, facts: Facts) -> Moments:
    """Return the moment at which a fact that grows with time reaches a value, or passes it."""
    read, unit = facts.reading(fact.ref), checking.SECONDS[facts.of(fact.ref).unit]
    after = _AFTER if op in (">", "<=") else 0.0

    def moments(view: Any) -> Sequence[float]:
        now = read(view)
        if not isinstance(now, float) or now > value or (now == value and not after):
            return ()
        return (view.now + (value - now) * unit + after,)

    return moments
