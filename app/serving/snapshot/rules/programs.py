"""The programs of rules over a picture of a tenant: one for each placement that has rules, or an objective that orders items."""

import time
from typing import TYPE_CHECKING

import numpy as np

from app.core.logging import log
from app.data.facts.domain import Seen
from app.decisions.rules.domain import Named
from app.decisions.rules.language import facts_of
from app.decisions.rules.part import Known
from app.decisions.rules.program import Made, Program, usable
from app.serving.snapshot.catalogue import Catalogue
from app.serving.snapshot.rules.item_facts import ItemFacts

if TYPE_CHECKING:
    from app.serving.snapshot.snapshot import Config

_WORTH = ("revenue", "margin")


def made(config: "Config", catalogue: Catalogue) -> dict[str, Program]:
    """Return the program of each placement that needs one, by its name."""
    rules: tuple[Named, ...] = config.loaded.get("rules", ())
    if not rules and not any(placed.placement.objective in _WORTH for placed in config.placements.values()):
        return {}
    known: Known = config.loaded.get("facts", Known())
    facts = facts_of(lambda: known.segments)
    items = ItemFacts(catalogue, config.popular.get("", np.zeros(0, np.int64)), time.time())
    ready = usable(rules, facts, items, _untold)
    found = {}
    for name, placed in config.placements.items():
        mine = [one for one in ready if _acts_in(one, name)]
        if mine or placed.placement.objective in _WORTH:
            found[name] = Program(mine, facts, items, placed.placement.objective, known.edges)
    return found


def warm(programs: dict[str, Program]) -> None:
    """Compute what the first calls would otherwise wait for."""
    for program in programs.values():
        program.plan(Seen(now=program.clock()))


def _acts_in(one: Made, placement: str) -> bool:
    return not one.named.rule.placements or placement in one.named.rule.placements


def _untold(named: Named, why: str) -> None:
    log.warning("rule.unusable", rule=named.name, error=why)
