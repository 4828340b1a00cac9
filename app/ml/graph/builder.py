"""A small writer of ONNX graphs: names nodes, shares inputs and constants, keeps large arrays apart as weights."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from app.ml import contract

OPSET = 18
IR_VERSION = 10
_TYPES: dict[Any, int] = {np.int64: TensorProto.INT64, np.float32: TensorProto.FLOAT}
_SHAPES: dict[str, list[str | int]] = {
    **{name: ["B", "L"] for name in contract.BODY_INPUTS},
    contract.MASK: ["M", "N"],
    contract.MASK_ID: ["B"],
    contract.EXCLUDE: ["B", "E"],
    contract.K: [1],
    contract.CANDIDATES: ["B", "P"],
}


class Graph:
    """Nodes, constants and inputs of a graph in the making.

    Every method that adds something returns the name of the tensor it stands for.
    """

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self.inputs: dict[str, Any] = {}
        self._scalars: dict[tuple[str, float], str] = {}
        self._memory: dict[Any, str] = {}

    def input(self, name: str) -> str:
        """Declare an input of the contract, once."""
        types = {**contract.BODY_INPUTS, **contract.TOP_INPUTS, **contract.RANK_INPUTS}
        self.inputs[name] = types[name]
        return name

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; return the name of its output, or a tuple of names when there are several."""
        names = [f"{kind}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names[0] if outputs == 1 else tuple(names)

    def constant(self, array: NDArray[Any], name: str = "weight") -> str:
        """Add an array as a constant."""
        key = f"{name}_{len(self.constants)}"
        self.constants[key] = np.ascontiguousarray(array)
        return key

    def scalar(self, value: float) -> str:
        """Return a float32 scalar, shared by all who use the value."""
        key = ("f", float(value))
        if key not in self._scalars:
            self._scalars[key] = self.constant(np.array(value, np.float32), "scalar")
        return self._scalars[key]

    def ints(self, *values: int) -> str:
        """Add a one-dimensional int64 constant, as shapes and axes need it."""
        return self.constant(np.array(values, np.int64), "ints")

    def shared(self, key: Any, make: Any) -> str:
        """Return what `make()` added the first time this key was asked for."""
        if key not in self._memory:
            self._memory[key] = make()
        return self._memory[key]

    def copy(self) -> "Graph":
        """Return a graph that starts with the same content and shares the arrays."""
        other = Graph()
        other.nodes, other.constants, other.inputs = list(self.nodes), dict(self.constants), dict(self.inputs)
        other._scalars, other._memory = dict(self._scalars), dict(self._memory)
        return other

    def declared_inputs(self) -> list[ValueInfoProto]:
        """Return the inputs as ONNX declares them."""
        return [helper.make_tensor_value_info(name, _TYPES[dtype], _SHAPES[name]) for name, dtype in self.inputs.items()]

    def inline(self, name: str) -> TensorProto:
        """Return a constant with its bytes inside the graph."""
        return numpy_helper.from_array(self.constants[name], name)
