"""`morsel models` and `morsel evaluate` as a data scientist types them: figures, a graph of one's own, what goes from the disk."""

import shutil
from pathlib import Path

from app.core.settings import Settings
from tests.commands.conftest import Line


async def test_a_model_is_listed_shown_and_compared_with_another(line: Line) -> None:
    listed = await line.json("models", "list")
    assert {one["recommender"] for one in listed} == {"personal", "item_to_item"}
    shown = await line.json("models", "show", "personal")
    (version,) = [one["version"] for one in listed if one["recommender"] == "personal"]
    assert (shown["version"], shown["live"], shown["live_version"]) == (version, True, version)
    assert shown["bytes"] > 0
    assert shown["parameters"]["class"] == "Blend"
    assert await line.json("models", "show", "personal", version) == shown
    beside = await line.json("models", "compare", "personal", f"personal/{version}")
    assert beside["version"] == [version, version]
    assert beside["parameters"] == {}
    assert all(one[2] == 0 for figures in beside["metrics"].values() for one in figures.values())


async def test_a_model_that_there_is_not_is_told_with_those_that_there_are(line: Line) -> None:
    (version,) = [one["version"] for one in await line.json("models", "list") if one["recommender"] == "personal"]
    other = "there is no model of it, but of item_to_item, personal"
    for words, says in (
        (("models", "show", "personel"), f"personel has no live model; {other}."),
        (("models", "show", "personal", "latest"), f"personal has no version latest; there are {version}."),
        (("models", "compare", "personal", "popular"), f"popular has no live model; {other}."),
        (("models", "promote", "personal", "latest"), f"personal has no version latest; there are {version}."),
        (("evaluate", "personal", "--version", "latest"), f"personal has no version latest; there are {version}."),
        (("evaluate", "personel"), f"personel has no live model; {other}."),
        (("models", "prune", "personel"), f"personel has no model: {other}."),
        (("models", "rollback", "personal"), "personal has no earlier model to go back to."),
    ):
        assert (await line.run(*words, status=1))[1] == f"error: {says}\n"
    assert "equal to 1" in (await line.run("evaluate", "personal", "--k", "0", status=2))[1]


async def test_a_graph_of_ones_own_is_checked_registered_promoted_and_pruned(line: Line, settings: Settings, tmp_path: Path) -> None:
    listed = await line.json("models", "list")
    (version,) = [one["version"] for one in listed if one["recommender"] == "item_to_item"]
    mine = tmp_path / "mine"
    shutil.copytree(Path(settings.model_dir) / "default" / "item_to_item" / version, mine)
    (mine / "manifest.json").unlink()
    _, told = await line.run("models", "register", mine, status=1)
    assert told.startswith("error: Name the recommender (--recommender)")
    made = [(await line.json("models", "register", mine, "--recommender", "mine"))["version"] for _ in range(3)]
    assert made[0] in (await line.run("models", "show", "mine", status=1))[1]
    assert (await line.json("models", "promote", "mine", made[0]))["version"] == made[0]
    assert (await line.json("models", "show", "mine"))["live"]
    planned = await line.json("models", "prune", "mine", "--keep", "1", "--dry-run")
    assert (planned["dry_run"], [one["version"] for one in planned["models"]]) == (True, [made[1]])
    assert planned["bytes"] > 0
    assert len([one for one in await line.json("models", "list") if one["recommender"] == "mine"]) == 3
    gone = await line.json("models", "prune", "mine", "--keep", "1")
    assert gone == {**planned, "dry_run": False}
    left = {one["version"] for one in await line.json("models", "list") if one["recommender"] == "mine"}
    assert left == {made[0], made[2]}
    (mine / "rank.onnx").write_bytes(b"no graph")
    _, told = await line.run("models", "register", mine, "--recommender", "mine", status=1)
    assert "rank.onnx" in told
    assert "our side" not in told
