"""Rules as a kind of document."""

from collections.abc import Mapping
from typing import Any

from app.data.segments.domain import named
from app.decisions.rules import language
from app.decisions.rules.checks import check
from app.decisions.rules.domain import Rule
from app.documents.kinds import Kind


def naming(body: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the segments and clusterings that conditions and formula of a rule name."""
    facts = language.facts_of()
    return {
        pair
        for field, read in (("when", language.when), ("where", language.where), ("formula", language.formula))
        for pair in named([body.get(field)], facts, read)
    }


KIND = Kind("rule", Rule, {}, check, lambda settings: (), naming=naming)
