"""What is said of a new model, and whether a first one goes live by itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from app.core.db import Database
from app.core.settings import Settings
from app.ml import contract
from app.ml.evaluation import holdout
from app.ml.evaluation.service import evaluate
from app.ml.interactions import Interactions, interactions
from app.ml.registry import service as registry
from app.ml.registry.artefact import Manifest
from app.ml.training import verdict
from app.ml.training.service import Options, train
from tests.ml.database import CATALOGUE, fill

END = datetime(2026, 3, 1, tzinfo=UTC)


def figures(all_: float, new: float, popular: tuple[float, float], people: int = 500) -> dict[str, Any]:
    """Return offline metrics of a model beside those of `popular`."""
    plain = {"all": popular[0], "new": popular[1]}
    return {"all": {"people": people, "ndcg@10": all_}, "new": {"people": people, "ndcg@10": new}, "popular": plain}


def test_a_model_that_popular_beats_in_every_task_loses() -> None:
    assert verdict.loses("personal", figures(0.027, 0.01, (0.053, 0.04)))
    assert not verdict.loses("personal", figures(0.060, 0.026, (0.048, 0.038)))
    assert not verdict.loses("personal", figures(0.0, 0.0, (0.5, 0.5), people=12))
    assert not verdict.loses("item_to_item", figures(0.0, 0.0, (0.5, 0.5)))
    assert not verdict.loses("popular", {"all": {"people": 500, "ndcg@10": 0.1}})


def test_the_verdict_names_popular_the_live_model_and_a_hold_out_of_few_people() -> None:
    live = Manifest("t", "personal", "v1", "", 0, 1, 1, [], {}, {"to": "2026-02-01T00:00:00+00:00"}, figures(0.05, 0.02, (0, 0)))
    told = verdict.sentence("personal", figures(0.060, 0.026, (0.048, 0.038)), live)
    assert told == (
        "personal: nDCG@10 0.060 with repeats, 0.026 on new items, on 500 people; better in one task and worse in the other than popular "
        "(0.048 with repeats, 0.038 on new items); the live v1 had 0.050 and 0.020 on its own hold-out, up to 2026-02-01"
    )
    assert "; better than popular" in verdict.sentence("personal", figures(0.06, 0.05, (0.048, 0.038)), None)
    assert "; worse than popular" in verdict.sentence("personal", figures(0.01, 0.01, (0.048, 0.038)), None)
    assert verdict.sentence("personal", figures(0.1, 0.1, (0, 0), people=2), None).endswith("fewer than 30 people says next to nothing")
    assert "was not measured" in verdict.sentence("personal", {}, None)


async def test_a_first_model_that_loses_to_popular_goes_live_only_when_asked(db: Database, settings: Settings, tenant: int) -> None:
    """Everybody buys what is new this month, so that what they bought before says nothing."""
    events = [(one, row, 7, 100.0, one, 1.0) for one in range(80) for row in (0, 1)]
    events += [(one, row, 7, 30.0 + row, 100 + one, 1.0) for one in range(80, 120) for row in range(20, 24)]
    events += [(one, row, 7, 1.0, 300 + one, 1.0) for one in range(80) for row in range(20, 24)]
    shop = interactions(np.arange(40), 120, events)
    await fill(db, tenant, shop, END)
    quick = Options(until=END, holdout_days=28)
    (first,) = await train(db, settings, tenant, ["buy_again"], CATALOGUE, quick)
    assert not first.promoted
    assert "worse than popular" in first.verdict
    assert first.verdict.endswith("--promote shows it all the same")
    assert await registry.live(db, tenant) == {}
    (second,) = await train(db, settings, tenant, ["buy_again"], CATALOGUE, Options(until=END, holdout_days=28, promote=True))
    assert second.promoted


async def test_people_who_cannot_be_measured_are_told_with_the_reason(
    db: Database, settings: Settings, tenant: int, shop: Interactions
) -> None:
    late = [(shop.people, 0, 7, 3.0, -1, 1.0), (shop.people + 1, 39, 7, 3.0, -1, 1.0), (shop.people + 1, 0, 7, 90.0, -1, 1.0)]
    both = interactions(
        shop.groups,
        shop.people + 2,
        [*zip(*(c.tolist() for c in (shop.person, shop.row, shop.kind, shop.age, shop.order, shop.amount)), strict=True), *late],
    )
    kept = both.only((both.row != 39) | (both.age < 10))
    await fill(db, tenant, kept, END)
    held = holdout.split(kept, 10)
    assert held.left_out == {"not_known_before": 1, "only_items_not_known_before": 1 + _only_last(kept, 10)}
    (done,) = await train(db, settings, tenant, ["ease"], CATALOGUE, Options(until=END - timedelta(days=10)))
    found = await evaluate(db, settings, tenant, "ease", version=done.manifest.version, until=END)
    assert found.metrics["left_out"] == held.left_out
    assert f"measured on {found.metrics['all']['people']} people; left out: 1 whom the data before did not know" in found.sentence


def _only_last(data: Interactions, days: float) -> int:
    """Count the other people who bought only the last row in the last days."""
    late = (data.age <= days) & (data.kind == contract.PURCHASE)
    people = [one for one in range(data.people - 2) if (mine := data.row[late & (data.person == one)]).size and set(mine.tolist()) == {39}]
    return len(people)
