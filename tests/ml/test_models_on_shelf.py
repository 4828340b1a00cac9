"""Models that lie on the shelf: shown, compared, pruned, and brought in from elsewhere."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import pytest

from app.core.db import Database
from app.core.errors import Conflict, Invalid, NotFound
from app.core.settings import Settings
from app.ml.interactions import Interactions
from app.ml.registry import details, pruning
from app.ml.registry import service as registry
from app.ml.registry.adopting import adopt
from app.ml.registry.artefact import folder
from app.ml.training.service import Options, train
from tests.ml.database import CATALOGUE, fill

END = datetime(2026, 3, 1, tzinfo=UTC)
QUICK = Options(until=END, holdout_days=30)


async def _popular(db: Database, settings: Settings, tenant: int, count: int, *, promote: bool = False) -> list[str]:
    """Train `popular` some times without measuring it; return the versions, oldest first."""
    options = Options(until=END, holdout_days=0, promote=promote)
    return [(await train(db, settings, tenant, ["popular"], CATALOGUE, options))[0].manifest.version for _ in range(count)]


async def test_a_model_shows_figures_window_events_parameters_size_and_who_is_live(
    db: Database, settings: Settings, tenant: int, shop: Interactions
) -> None:
    await fill(db, tenant, shop, END)
    (first,) = await train(db, settings, tenant, ["popular"], CATALOGUE, QUICK)
    (second,) = await train(
        db, settings, tenant, ["popular"], CATALOGUE, Options(until=END, holdout_days=0, changes={"half_life_days": "7"})
    )
    told = (await details.details(db, settings.model_dir, tenant, "popular", second.manifest.version)).document()
    assert (told["live"], told["live_version"]) == (False, first.manifest.version)
    assert told["events"] == len(shop.row)
    assert told["window"]["to"] == END.isoformat()
    assert told["parameters"]["half_life_days"] == 7
    place = folder(settings.model_dir, "default", "popular", second.manifest.version)
    assert told["bytes"] == sum(path.stat().st_size for path in place.iterdir())
    live = (await details.details(db, settings.model_dir, tenant, "popular")).document()
    assert live["version"] == first.manifest.version
    found = details.beside(live, told)
    assert found["parameters"] == {"half_life_days": [14.0, 7.0]}
    assert "not measured" in found["warnings"][0]
    assert details.beside(live, live)["metrics"]["all"]["ndcg@10"][2] == 0
    with pytest.raises(NotFound, match=f"there are {second.manifest.version}"):
        await details.details(db, settings.model_dir, tenant, "popular", "nothing")
    with pytest.raises(NotFound, match="ease has no live model; there is no model of it, but of popular"):
        await details.details(db, settings.model_dir, tenant, "ease")


async def test_pruning_keeps_what_serves_what_one_may_go_back_to_and_what_serves_name(
    db: Database, settings: Settings, tenant: int, shop: Interactions
) -> None:
    await fill(db, tenant, shop, END)
    named, older, before, live = await _popular(db, settings, tenant, 4, promote=True)
    waiting = await _popular(db, settings, tenant, 3)
    await db.run(
        "insert into serve (tenant, served_at, recommendation_id, rung, reason, model_no, items, prices, latency_us) "
        "select tenant, now(), 'x', 0, 0, model_no, '{}', '{}', 1 from model where version = :version", version=named,
    )  # fmt: skip
    place = folder(settings.model_dir, "default", "popular")
    would = await pruning.prune(db, settings.model_dir, tenant, 1, dry_run=True)
    assert {one.version for one in would} == {older, *waiting[:2]}
    assert all(one.bytes > 1000 for one in would)
    assert len(list(place.iterdir())) == 7
    assert await pruning.prune(db, settings.model_dir, tenant, 1) == would
    assert {path.name for path in place.iterdir()} == {named, before, live, waiting[2]}
    assert [model.version for model in await registry.models(db, tenant)] == [waiting[2], live, before, named]
    with pytest.raises(NotFound):
        await registry.promote(db, settings.model_dir, tenant, "popular", older)
    assert (await registry.roll_back(db, settings.model_dir, tenant, "popular")).version == before
    # the one before it is gone: the next roll back leads to what is there
    assert (await registry.roll_back(db, settings.model_dir, tenant, "popular")).version == named
    with pytest.raises(Conflict):
        await registry.roll_back(db, settings.model_dir, tenant, "popular")


async def test_graphs_of_ones_own_are_checked_registered_and_promotable(
    db: Database, settings: Settings, tenant: int, shop: Interactions, tmp_path: Path
) -> None:
    await fill(db, tenant, shop, END)
    (version,) = await _popular(db, settings, tenant, 1)
    own = tmp_path / "own"
    shutil.copytree(folder(settings.model_dir, "default", "popular", version), own)
    (own / "manifest.json").unlink()
    made = await adopt(db, settings.model_dir, tenant, own, "mine")
    live = await registry.promote(db, settings.model_dir, tenant, "mine", made.version)
    assert live.version == made.version
    model = registry.load_model(settings.model_dir, "default", "mine", made.version)
    assert len(model.rows) == shop.rows
    assert model.score_top(model.assemble([model.history([], [], [], [], [])]), 3)[0].shape == (1, 3)


def _rank(place: Path, change: object) -> None:
    model = onnx.load(str(place / "rank.onnx"), load_external_data=False)
    change(model)  # type: ignore[operator]
    (place / "rank.onnx").write_bytes(model.SerializeToString())


def _unpadded(model: onnx.ModelProto) -> None:
    """Let a padded candidate score like any other."""
    where = next(node for node in model.graph.node if node.op_type == "Where" and node.output[0] in model.graph.node[-1].input)
    where.op_type = "Identity"
    del where.input[:2]


def _renamed_output(model: onnx.ModelProto) -> None:
    model.graph.node[-1].output[0] = model.graph.output[0].name = "scores"


async def test_a_refused_graph_says_which_check_failed_and_leaves_nothing(
    db: Database, settings: Settings, tenant: int, shop: Interactions, tmp_path: Path
) -> None:
    await fill(db, tenant, shop, END)
    (version,) = await _popular(db, settings, tenant, 1)
    sound = folder(settings.model_dir, "default", "popular", version)

    async def refusal(kind: type[Exception], change: object) -> str:
        own = tmp_path / f"own{len(list(tmp_path.iterdir()))}"
        shutil.copytree(sound, own)
        change(own)  # type: ignore[operator]
        with pytest.raises(kind) as raised:
            await adopt(db, settings.model_dir, tenant, own, "mine")
        return str(getattr(raised.value, "detail", raised.value))

    assert "a padded candidate (-1) must score -inf" in await refusal(Conflict, lambda own: _rank(own, _unpadded))
    assert "`rank.onnx` gives no output score; it gives scores" in await refusal(Conflict, lambda own: _rank(own, _renamed_output))
    assert "ONNX Runtime refuses the graph" in await refusal(Conflict, lambda own: (own / "top.onnx").write_bytes(b"no graph"))
    assert "has no rank.onnx" in await refusal(Invalid, lambda own: (own / "rank.onnx").unlink())
    assert "ascending group numbers" in await refusal(Conflict, lambda own: np.array([9, 9], "<i4").tofile(own / "rows.bin"))
    assert "is no JSON" in await refusal(Invalid, lambda own: (own / "manifest.json").write_bytes(b"{"))
    place = folder(settings.model_dir, "default", "mine")
    assert not place.exists() or list(place.iterdir()) == []
    assert await registry.models(db, tenant, "mine") == []
    with pytest.raises(Invalid, match="Name the recommender"):
        await adopt(db, settings.model_dir, tenant, sound, "Mein Modell")
