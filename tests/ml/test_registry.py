"""Artefacts that must be refused, and the loader's independence of training code."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import numpy as np
import onnx
import orjson
import pytest

from app.ml import contract
from app.ml.interactions import Interactions
from app.ml.recommenders.popular.fit import Popular
from app.ml.registry import service
from app.ml.registry.artefact import ArtefactError, fingerprint, folder, mark, read_manifest
from app.ml.registry.loader import LoadedModel, load
from tests.contracts.recommender import bought, save


@pytest.fixture
def artefact(shop: Interactions, tmp_path: Path) -> Path:
    """A sound artefact."""
    save(tmp_path, Popular(), Popular().fit(shop, np.random.default_rng(0)), shop)
    return folder(tmp_path, "default", "tested", "v1")


def _manifest(place: Path, change: Callable[[dict[str, object]], object]) -> None:
    document = orjson.loads((place / "manifest.json").read_bytes())
    change(document)
    (place / "manifest.json").write_bytes(orjson.dumps(document))


def _graph(place: Path, change: Callable[[onnx.ModelProto], object]) -> None:
    """Change `top.onnx` and sign it anew, as a foreign tool would."""
    model = onnx.load(str(place / "top.onnx"), load_external_data=False)
    change(model)
    (place / "top.onnx").write_bytes(model.SerializeToString())
    _manifest(place, lambda document: document["files"].update({"top.onnx": fingerprint(place / "top.onnx")}))  # type: ignore[attr-defined]


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _unreadable(place: Path) -> None:
    (place / "top.onnx").write_bytes(b"no graph")
    _manifest(place, lambda document: document["files"].update({"top.onnx": fingerprint(place / "top.onnx")}))  # type: ignore[attr-defined]


def _fewer_rows(place: Path) -> None:
    rows = np.fromfile(place / "rows.bin", "<i4")[:-1]
    rows.tofile(place / "rows.bin")
    _manifest(place, lambda document: document.update(rows=len(rows)))
    _manifest(place, lambda document: document["files"].update({"rows.bin": fingerprint(place / "rows.bin")}))  # type: ignore[attr-defined]


def _rename_input(model: onnx.ModelProto) -> None:
    next(one for one in model.graph.input if one.name == "exclude").name = "leave_out"
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name == "exclude":
                node.input[place] = "leave_out"


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda place: _flip(place / "top.onnx"), r"top\.onnx is damaged"),
        (lambda place: _flip(place / "weights.bin"), r"weights\.bin is damaged"),
        (lambda place: _flip(place / "rows.bin"), r"rows\.bin is damaged"),
        (lambda place: (place / "weights.bin").unlink(), r"weights\.bin is missing"),
        (lambda place: (place / "manifest.json").unlink(), r"has no manifest\.json"),
        (lambda place: (place / "manifest.json").write_bytes(b"{"), "cannot be read"),
        (lambda place: _manifest(place, lambda document: document.update(surprise=1)), "cannot be read"),
        (lambda place: _manifest(place, lambda document: document.update(contract=99)), "contract 99"),
        (lambda place: _manifest(place, lambda document: document["files"].pop("rank.onnx")), r"does not name rank\.onnx"),
        (lambda place: _manifest(place, lambda document: document.update(rows=3)), "ascending group numbers"),
        (_fewer_rows, "ONNX Runtime refuses"),
        (_unreadable, "ONNX Runtime refuses"),
        (lambda place: _graph(place, _rename_input), "'leave_out'"),
    ],
)
def test_an_artefact_that_cannot_be_trusted_is_refused(artefact: Path, damage: Callable[[Path], object], why: str) -> None:
    load(artefact)
    damage(artefact)
    with pytest.raises(ArtefactError, match=why):
        load(artefact)


def _only_for(model: onnx.ModelProto, bad: str, threshold: float) -> None:
    """Let a graph give a bad score, or a row that does not exist, to people with a history of more than so many entries."""
    graph, name = model.graph, "item" if bad == "row" else "score"
    for node in graph.node:
        for place, output in enumerate(node.output):
            if output == name:
                node.output[place] = f"{name}_before"
    value = {"row": 10**6, "nan": float("nan"), "inf": float("inf")}[bad]
    kind = onnx.TensorProto.INT64 if bad == "row" else onnx.TensorProto.FLOAT
    graph.initializer.append(onnx.helper.make_tensor("bad_value", kind, [1], [value]))
    graph.initializer.append(onnx.helper.make_tensor("bad_zero", onnx.TensorProto.INT64, [1], [0]))
    graph.initializer.append(onnx.helper.make_tensor("bad_most", onnx.TensorProto.INT64, [1], [int(threshold)]))
    graph.initializer.append(onnx.helper.make_tensor("bad_axis", onnx.TensorProto.INT64, [1], [1]))
    make = onnx.helper.make_node
    graph.node.extend([
        make("GreaterOrEqual", ["history", "bad_zero"], ["bad_known"]),
        make("Cast", ["bad_known"], ["bad_ones"], to=onnx.TensorProto.INT64),
        make("ReduceSum", ["bad_ones", "bad_axis"], ["bad_count"], keepdims=1),
        make("Greater", ["bad_count", "bad_most"], ["bad_who"]),
        make("Where", ["bad_who", "bad_value", f"{name}_before"], [name]),
    ])  # fmt: skip


@pytest.mark.parametrize("bad", ["row", "nan", "inf"])
@pytest.mark.parametrize("longer_than", [0, 2, 15])
def test_a_graph_that_errs_only_on_longer_histories_is_refused(artefact: Path, bad: str, longer_than: int) -> None:
    _graph(artefact, lambda model: _only_for(model, bad, longer_than))
    with pytest.raises(ArtefactError, match=r"top\.onnx"):
        load(artefact)


@pytest.mark.parametrize("name", ["..", "../x", "", "a/b", ".hidden", "x" * 81, "a\0b"])
def test_names_cannot_lead_out_of_the_store(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArtefactError, match="is not a name"):
        folder(tmp_path, "default", name, "v1")


def test_an_artefact_under_another_name_is_refused(artefact: Path) -> None:
    artefact.rename(artefact.with_name("v2"))
    store = artefact.parents[2]
    with pytest.raises(ArtefactError, match="the manifest names default/tested/v1"):
        service.load_model(store, "default", "tested", "v2")


def test_an_artefact_that_was_changed_whole_with_its_manifest_is_not_the_one_that_was_registered(artefact: Path) -> None:
    """Checksums in the folder vouch for nothing when somebody can write all of it."""
    registered = mark(read_manifest(artefact).document())
    assert load(artefact, registered).version == "v1"
    _manifest(artefact, lambda document: document.update(metrics={"told": 1}))
    assert load(artefact, registered), "what no score rests on may be told anew"
    _graph(artefact, lambda model: setattr(model, "producer_name", "somebody"))
    assert load(artefact), "consistent in itself"
    with pytest.raises(ArtefactError, match=r"v1: manifest\.json is not the one that was registered; restore the folder"):
        load(artefact, registered)
    with pytest.raises(ArtefactError, match="not the one that was registered"):
        service.load_model(artefact.parents[2], "default", "tested", "v1", registered)


@pytest.mark.parametrize("name", ["rows", "history_items", "inputs", "files", "version", "tenant"])
def test_all_that_scores_rest_on_is_in_the_mark_of_a_manifest(artefact: Path, name: str) -> None:
    document = read_manifest(artefact).document()
    again = orjson.loads(orjson.dumps(document))
    assert mark(again) == mark(document)
    assert mark({**document, name: None}) != mark(document)


def test_versions_on_disk_skip_what_is_no_artefact(artefact: Path) -> None:
    artefact.with_name("v0").mkdir()
    assert service.versions_on_disk(artefact.parents[2], "default", "tested") == ["v1"]
    assert service.versions_on_disk(artefact.parents[2], "default", "never") == []


def test_one_model_scores_from_several_threads(artefact: Path) -> None:
    model = load(artefact)
    expected = model.score_top(model.assemble([bought([1, 2])]), 10)[0].tolist()
    wrong: list[object] = []

    def work() -> None:
        for _ in range(50):
            found = model.score_top(model.assemble([bought([1, 2])]), 10)[0].tolist()
            if found != expected:
                wrong.append(found)

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_rows_are_found_by_group_number(artefact: Path) -> None:
    model: LoadedModel = load(artefact)
    assert model.row_of([5, 8, 6, 0, 10**9, -1, int(model.rows[-1])]).tolist() == [0, 1, -1, -1, -1, -1, len(model.rows) - 1]
    assert model.row_of(np.array([8], np.uint32)).dtype == np.int64
    assert model.inputs == {contract.HISTORY}


def test_confidence_grows_with_known_rows_up_to_one(artefact: Path) -> None:
    model = load(artefact)
    groups = [int(model.rows[0]), 10**6, *(int(one) for one in model.rows[1:8])]
    found = [model.confidence(model.history(groups[:n], [7] * n, [-1.0] * n, [1] * n, [1] * n)) for n in (0, 2, 4, 9)]
    assert found == [0.0, 0.2, 0.6, 1.0]
    assert model.history(groups[:1], [7], [-1.0], [1], [1]).age.tolist() == [0]


def test_loading_and_scoring_need_no_training_code() -> None:
    code = (
        "import sys, app.ml.registry.service, app.ml.contract, app.ml.popularity.service\n"
        "bad = {'onnx', 'scipy', 'implicit', 'pyarrow', 'app.ml.training', 'app.ml.graph', 'app.ml.recommenders'} & set(sys.modules)\n"
        "sys.exit(repr(bad) if bad else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).stderr == b""
