"""The common heads, `top` and `rank`, and the writing of both graphs with one shared file of weights."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from app.ml import contract
from app.ml.graph.builder import IR_VERSION, OPSET, Graph

WEIGHTS_FILE = "weights.bin"
_EXTERNAL_BYTES = 1024
_PAGE = 4096


def write(body: Graph, score: str, folder: Path) -> None:
    """Write `top.onnx`, `rank.onnx` and `weights.bin` for a body whose tensor `score` is float32[B,N]."""
    places = _write_weights(body, folder / WEIGHTS_FILE)
    top = body.copy()
    item, best = _top(top, score)
    _save(top, {item: (contract.ITEM, TensorProto.INT64, "k"), best: (contract.SCORE, TensorProto.FLOAT, "k")}, places, folder / "top.onnx")
    rank = body.copy()
    picked = _rank(rank, score)
    _save(rank, {picked: (contract.SCORE, TensorProto.FLOAT, "P")}, places, folder / "rank.onnx")


def _top(g: Graph, score: str) -> tuple[str, str]:
    """Add the mask, take the excluded rows out, keep the best k."""
    mask = g.op("Gather", g.input(contract.MASK), g.input(contract.MASK_ID), axis=0)
    masked = g.op("Add", score, mask)
    exclude = g.input(contract.EXCLUDE)
    padding = g.op("Less", exclude, g.ints(0))
    # ONNX reads -1 as the last row: padding points at row 0 instead and cannot lower its score
    safe = g.op("Max", exclude, g.ints(0))
    ceiling = g.op("Where", padding, g.scalar(np.inf), g.scalar(-np.inf))
    kept = g.op("ScatterElements", masked, safe, ceiling, axis=1, reduction="min")
    best, item = g.op("TopK", kept, g.input(contract.K), outputs=2, axis=1, largest=1, sorted=1)
    return item, best


def _rank(g: Graph, score: str) -> str:
    """Pick the scores of the candidates."""
    candidates = g.input(contract.CANDIDATES)
    zero = g.ints(0)
    picked = g.op("GatherElements", score, g.op("Max", candidates, zero), axis=1)
    return str(g.op("Where", g.op("Less", candidates, zero), g.scalar(-np.inf), picked))


def _write_weights(body: Graph, path: Path) -> dict[str, tuple[int, int]]:
    """Write the large constants behind each other on page borders (so that they can be mapped); return offset and length of each."""
    places: dict[str, tuple[int, int]] = {}
    with path.open("wb") as file:
        file.write(b"\0" * _PAGE)
        for name, array in body.constants.items():
            if array.nbytes >= _EXTERNAL_BYTES:
                file.write(b"\0" * (-file.tell() % _PAGE))
                places[name] = (file.tell(), array.nbytes)
                file.write(array.data)
    return places


def _external(name: str, g: Graph, offset: int, length: int) -> TensorProto:
    array = g.constants[name]
    tensor = TensorProto(name=name, data_type=helper.np_dtype_to_tensor_dtype(array.dtype), dims=array.shape)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", WEIGHTS_FILE), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
    return tensor


def _save(g: Graph, outputs: dict[str, tuple[str, int, str]], places: dict[str, tuple[int, int]], path: Path) -> None:
    declared = []
    for tensor, (name, kind, width) in outputs.items():
        g.nodes.append(helper.make_node("Identity", [tensor], [name]))
        declared.append(helper.make_tensor_value_info(name, kind, ["B", width]))
    constants = [_external(name, g, *places[name]) if name in places else g.inline(name) for name in g.constants]
    graph = helper.make_graph(g.nodes, "morsel", g.declared_inputs(), declared, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="morsel")
    path.write_bytes(model.SerializeToString())
    onnx.checker.check_model(str(path))
