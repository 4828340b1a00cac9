"""From events in PostgreSQL to a live model, and back out."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from app.core import changes
from app.core.db import Database
from app.core.errors import Conflict, Invalid, NotFound
from app.core.settings import Settings
from app.ml import contract, dataset
from app.ml.dataset import Window
from app.ml.evaluation.service import evaluate
from app.ml.interactions import Interactions
from app.ml.registry import service as registry
from app.ml.registry.artefact import ArtefactError, folder
from app.ml.training.service import Options, recommender, train
from tests.ml.database import CATALOGUE, add_events, add_items, fill

END = datetime(2026, 3, 1, tzinfo=UTC)
QUICK = Options(until=END, holdout_days=30)


async def test_events_come_back_as_they_were_stored(db: Database, tenant: int, shop: Interactions) -> None:
    groups = await fill(db, tenant, shop, END)
    read = await dataset.read(db, tenant, Window.days(END, 365), default_consent=True)
    assert read.groups.tolist() == groups
    assert read.people == shop.people

    def lines(data: Interactions) -> list[tuple[float, ...]]:
        parts = (data.person, data.row, data.kind, np.round(data.age, 3), data.order, data.amount)
        return sorted(zip(*(part.tolist() for part in parts), strict=True))

    np.testing.assert_allclose(lines(read), lines(shop), atol=2e-3)


async def test_people_without_consent_and_events_outside_the_window_are_left_out(db: Database, tenant: int) -> None:
    await add_items(db, tenant, [("a", "", True)])
    for person_no, consent in ((1, 0), (2, 1), (3, None)):
        await db.run(
            "insert into person (tenant, person_no, root_no, data_key, consent) values (:t, :p, :p, 'k', :c)",
            t=tenant,
            p=person_no,
            c=consent,
        )
    (group,) = [row.group_no for row in await db.rows("select group_no from item_group")]
    await add_events(db, tenant, [(person, group, 7, END - timedelta(days=1), None, 1.0) for person in (1, 2, 3)])
    await add_events(db, tenant, [(2, group, 7, END - timedelta(days=10), 5, 1.0), (2, group, 7, END, 6, 1.0)])

    async def events(default: bool) -> int:
        return len((await dataset.read(db, tenant, Window.days(END, 5), default_consent=default)).row)

    assert await events(True) == 2
    assert await events(False) == 1


async def test_no_events_are_a_clear_error(db: Database, settings: Settings, tenant: int) -> None:
    await add_items(db, tenant, [("a", "", True)])
    with pytest.raises(Invalid, match="no events to learn from"):
        await train(db, settings, tenant, ["popular"], CATALOGUE, QUICK)


async def test_first_model_goes_live_and_the_second_waits(db: Database, settings: Settings, tenant: int, shop: Interactions) -> None:
    await fill(db, tenant, shop, END)
    before = (await changes.versions(db)).get((tenant, "models"), 0)
    (first,) = await train(db, settings, tenant, ["ease"], CATALOGUE, QUICK)
    (second,) = await train(db, settings, tenant, ["ease"], CATALOGUE, QUICK)
    assert (first.promoted, second.promoted) == (True, False)
    assert (await registry.live(db, tenant))["ease"].version == first.manifest.version
    assert (await changes.versions(db))[tenant, "models"] > before
    assert first.manifest.metrics["new"]["ndcg@10"] > 0.3
    (third,) = await train(db, settings, tenant, ["ease"], CATALOGUE, Options(until=END, promote=True))
    assert (await registry.live(db, tenant))["ease"].version == third.manifest.version
    assert [model.live for model in await registry.models(db, tenant, "ease")] == [True, False, False]


async def test_an_unmeasured_first_model_is_not_promoted(db: Database, settings: Settings, tenant: int, shop: Interactions) -> None:
    await fill(db, tenant, shop, END)
    (done,) = await train(db, settings, tenant, ["popular"], CATALOGUE, Options(until=END, holdout_days=0))
    assert not done.promoted
    assert await registry.live(db, tenant) == {}


async def test_a_trained_model_serves_group_numbers(db: Database, settings: Settings, tenant: int, shop: Interactions) -> None:
    groups = await fill(db, tenant, shop, END)
    (done,) = await train(db, settings, tenant, ["personal"], CATALOGUE, QUICK)
    model = registry.load_model(settings.model_dir, "default", "personal", done.manifest.version)
    assert model.rows.tolist() == groups
    history = model.history([groups[0], 10**6, groups[1]], [7, 7, 7], [9.0, 5.0, 1.0], [1, 1, 1], [1, 1, 1])
    assert history.row.tolist() == [0, 1]
    item, score = model.score_top(model.assemble([history]), 6, exclude=contract.pad([[0, 1]]))
    assert np.isfinite(score).all()
    assert sum(row < shop.rows // 2 for row in item[0].tolist()) >= 5
    names = {"top.onnx", "rank.onnx", "weights.bin", "rows.bin", "manifest.json"}
    assert {path.name for path in folder(settings.model_dir, "default", "personal", done.manifest.version).iterdir()} == names
    told = done.manifest.parameters["learned"]["members"]
    assert set(told) <= {"Again", "BuyAgain", "Transitions", "Ease", "Popular"}
    assert all(one["weight"] > 0 and one["setting"] for one in told.values())


async def test_rolling_back_returns_to_the_model_before(db: Database, settings: Settings, tenant: int, shop: Interactions) -> None:
    await fill(db, tenant, shop, END)
    (first,) = await train(db, settings, tenant, ["popular"], CATALOGUE, QUICK)
    with pytest.raises(Conflict, match="no earlier model"):
        await registry.roll_back(db, settings.model_dir, tenant, "popular")
    await train(db, settings, tenant, ["popular"], CATALOGUE, Options(until=END, promote=True))
    back = await registry.roll_back(db, settings.model_dir, tenant, "popular")
    assert back.version == first.manifest.version
    kept = await db.rows("select undone_at is null as stands from model_promotion order by promotion_no")
    assert [row.stands for row in kept] == [True, False]
    told = await db.rows("select who, what, note from audit where kind = 'model' and name = 'popular' order by audit_no")
    assert [(row.who, row.what) for row in told] == [("morsel", "promote"), ("morsel", "promote"), ("morsel", "roll back")]
    assert told[2].note.startswith(f"back to {first.manifest.version} from ")


async def test_a_folder_that_was_changed_with_its_manifest_is_neither_promoted_nor_served_nor_evaluated(
    db: Database, settings: Settings, tenant: int, shop: Interactions
) -> None:
    await fill(db, tenant, shop, END)
    (first,) = await train(db, settings, tenant, ["popular"], CATALOGUE, QUICK)
    (second,) = await train(db, settings, tenant, ["popular"], CATALOGUE, Options(until=END, holdout_days=0))
    live = (await registry.live(db, tenant))["popular"]
    assert registry.load_model(settings.model_dir, "default", "popular", first.manifest.version, live.mark)
    for version in (first.manifest.version, second.manifest.version):
        path = folder(settings.model_dir, "default", "popular", version) / "manifest.json"
        path.write_bytes(orjson.dumps({**orjson.loads(path.read_bytes()), "history_items": 1}))
    with pytest.raises(ArtefactError, match="not the one that was registered"):
        registry.load_model(settings.model_dir, "default", "popular", first.manifest.version, live.mark)
    with pytest.raises(Conflict, match="not the one that was registered"):
        await registry.promote(db, settings.model_dir, tenant, "popular", second.manifest.version)
    with pytest.raises(Conflict, match="not the one that was registered"):
        await evaluate(db, settings, tenant, "popular", first.manifest.version)


async def test_a_damaged_model_is_not_promoted_and_the_live_one_stays(
    db: Database, settings: Settings, tenant: int, shop: Interactions
) -> None:
    await fill(db, tenant, shop, END)
    (first,) = await train(db, settings, tenant, ["popular"], CATALOGUE, QUICK)
    (second,) = await train(db, settings, tenant, ["popular"], CATALOGUE, QUICK)
    path = folder(settings.model_dir, "default", "popular", second.manifest.version) / "top.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Conflict, match=r"top\.onnx is damaged"):
        await registry.promote(db, settings.model_dir, tenant, "popular", second.manifest.version)
    with pytest.raises(NotFound):
        await registry.promote(db, settings.model_dir, tenant, "popular", "nothing")
    assert (await registry.live(db, tenant))["popular"].version == first.manifest.version


async def test_evaluation_reads_what_followed_the_data_of_the_model(
    db: Database, settings: Settings, tenant: int, shop: Interactions
) -> None:
    await fill(db, tenant, shop, END)
    cut = END - timedelta(days=40)
    (done,) = await train(db, settings, tenant, ["ease"], CATALOGUE, Options(until=cut))
    found = await evaluate(db, settings, tenant, "ease", until=END)
    assert (found.since, found.until, found.version) == (cut, END, done.manifest.version)
    assert found.metrics["all"]["ndcg@10"] > 0.35
    with pytest.raises(Conflict, match="nothing to evaluate"):
        await evaluate(db, settings, tenant, "ease", until=cut)
    with pytest.raises(NotFound):
        await evaluate(db, settings, tenant, "popular")


async def test_the_last_event_that_a_model_learned_is_not_what_it_is_measured_on(
    db: Database, settings: Settings, tenant: int, shop: Interactions
) -> None:
    """Ages are float32: in days counted from years later the last event and the end of the data are one number."""
    await fill(db, tenant, shop, END - timedelta(days=1200))
    (newest,) = await db.rows("select max(occurred_at) as at from event where kind = 7")
    until = newest.at + timedelta(microseconds=1)
    (done,) = await train(db, settings, tenant, ["ease"], CATALOGUE, Options(until=until, promote=True))
    await db.run("delete from event where occurred_at > :at", at=newest.at)
    with pytest.raises(Conflict, match="nothing to evaluate"):
        await evaluate(db, settings, tenant, "ease", until=END)
    with pytest.raises(NotFound, match=f"ease has no version latest; there are {done.manifest.version}"):
        await evaluate(db, settings, tenant, "ease", "latest")
    with pytest.raises(NotFound, match=f"ease has no version latest; there are {done.manifest.version}"):
        await registry.promote(db, settings.model_dir, tenant, "ease", "latest")


async def test_an_artefact_is_complete_or_absent(
    db: Database, settings: Settings, tenant: int, shop: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash while the last file is written leaves nothing that could be loaded."""
    await fill(db, tenant, shop, END)

    def crash(place: Path) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("app.ml.training.artefact._flush", crash)
    with pytest.raises(OSError, match="no space"):
        await train(db, settings, tenant, ["popular"], CATALOGUE, Options(until=END, holdout_days=0))
    assert list((settings.model_dir / "default" / "popular").iterdir()) == []
    assert await registry.models(db, tenant) == []


def test_parameters_can_be_changed_from_text() -> None:
    assert getattr(recommender(CATALOGUE, "ease", {"penalty": "12"}), "penalty") == 12.0  # noqa: B009
    with pytest.raises(Invalid, match="has no number training"):
        recommender(CATALOGUE, "ease", {"training": "1"})
    with pytest.raises(Invalid, match="much is not a number"):
        recommender(CATALOGUE, "ease", {"penalty": "much"})
    with pytest.raises(Invalid, match=r"half_life_days must be above 0"):
        recommender(CATALOGUE, "ease", {"training.half_life_days": "0"})
    with pytest.raises(NotFound, match=r"did you mean ease\?.*buy_again, ease"):
        recommender(CATALOGUE, "eaze")


def test_a_dotted_path_reaches_half_lives_weights_of_kinds_and_members_of_a_blend() -> None:
    changes = {
        "members.ease.penalty": "100",
        "members.ease.scoring.half_life_days": "30",
        "members.popular.kind_weights.view": "0.4",
        "members.again.weights": "1,0.5",
        "history_items": "50",
    }
    blend: Any = recommender(CATALOGUE, "personal", changes)
    own, _, ease, popular = blend.members
    assert (ease.recommender.penalty, ease.recommender.scoring.half_life_days) == (100.0, 30.0)
    assert popular.recommender.kind_weights[contract.KINDS.index("view")] == 0.4
    assert (own.weights, blend.history_items) == ((1.0, 0.5), 50)
    assert ease.recommender.training == recommender(CATALOGUE, "ease").training  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("penalty", "members.ease.penalty"),
        ("members.ease.penalti", "members.ease.penalty"),
        ("members.eaze.penalty", "members.ease.penalty"),
        ("members.ease", "members.ease.weights"),
        ("members.popular.kind_weights.vieww", "members.popular.kind_weights.view"),
    ],
)
def test_a_path_that_leads_nowhere_names_the_nearest(path: str, meant: str) -> None:
    with pytest.raises(Invalid, match=re.escape(f"personal has no number {path}; did you mean {meant}")):
        recommender(CATALOGUE, "personal", {path: "1"})
