"""The programs of rules over a picture of a tenant: one for each placement that has rules, or an objective that orders items."""

import time
from typing import TYPE_CHECKING

import numpy as np

from app.core.logging import log
from app.data.facts.domain import Seen
from app.decisions.placements.conditions import settled
from app.decisions.placements.domain import Placed, Placement
from app.decisions.rules.domain import Named, Rule
from app.decisions.rules.language import facts_of
from app.decisions.rules.part import Known
from app.decisions.rules.program import Made, Program, usable
from app.serving.snapshot.rules import conditions
from app.serving.snapshot.rules.item_facts import ItemFacts

if TYPE_CHECKING:
    from app.serving.snapshot.catalogue import Catalogue
    from app.serving.snapshot.snapshot import Config

_WORTH = ("revenue", "margin")
FILTER = "filter.where"
"""What stands for the condition of a placement's filter among its rules, where items alone do not tell it; no rule can be called so."""


def made(config: "Config", catalogue: "Catalogue") -> dict[str, Program]:
    """Return the program of each placement that needs one, by its name."""
    rules: tuple[Named, ...] = config.loaded.get("rules", ())
    if not rules and not any(_asks(placed.placement) for placed in config.placements.values()):
        return {}
    known: Known = config.loaded.get("facts", Known())
    facts = facts_of(lambda: known.segments)
    items = ItemFacts(catalogue, config.popular.get("", np.zeros(0, np.int64)), time.time())
    ready = usable(rules, facts, items, _untold)
    found = {}
    for name, placed in config.placements.items():
        mine = [one for one in ready if _acts_in(one, name)] + usable(_filtering(placed), facts, items, _untold)
        if mine or placed.placement.objective in _WORTH:
            found[name] = Program(mine, facts, items, placed.placement.objective, known.edges)
    return found


def warm(programs: dict[str, Program]) -> None:
    """Compute what the first calls would otherwise wait for."""
    for program in programs.values():
        program.plan(Seen(now=program.clock()))


def _asks(placement: Placement) -> bool:
    return placement.objective in _WORTH or bool(placement.filter.where)


def _filtering(placed: Placed) -> list[Named]:
    """Return the rule that holds the condition of a placement's filter, none where the filter tells it by itself."""
    found = conditions.readable(where := placed.placement.filter.where)
    if found is None or settled(found):
        return []
    # below zero no rule has a number; lists that it narrows are kept apart under it
    return [Named(FILTER, -placed.number, placed.version, Rule(action="include", where=where))]


def _acts_in(one: Made, placement: str) -> bool:
    return not one.named.rule.placements or placement in one.named.rule.placements


def _untold(named: Named, why: str) -> None:
    log.warning("rule.unusable", rule=named.name, error=why)
