"""What the picks of rules hang on beside the list that they choose from: the values of the facts that they read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.data.facts.domain import Motion, Read, Ref, Subject

if TYPE_CHECKING:
    from app.decisions.rules.program import Made


def hanging(rules: Sequence["Made"]) -> Sequence[Read] | None:
    """Return what reads these values of a view; None where picks hang on the moment, or on what was shown or bought of late.

    Whether a rule acts at all is not told: other rules are another plan.
    """
    found: dict[Ref, Read] = {}
    for one in rules:
        rule = one.named.rule
        if rule.action == "no_repeat" or (rule.action == "bought" and rule.days is not None):
            return None
        for part in (one.parsed.where, one.parsed.formula):
            if part is None:
                continue
            about = [(ref, fact) for ref in part.refs if (fact := part.facts.of(ref)).subject is not Subject.ITEM]
            if any(fact.motion is Motion.STEADY for _, fact in about):
                return None
            found |= {ref: fact.reading(ref) for ref, fact in about}
    return tuple(found.values())
