"""Nodes and constants of an ONNX graph, written down one after the other."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Value = str | npt.NDArray[Any]  # a tensor of the graph by its name, or a constant
LAST = np.iinfo(np.int64).max


class Writer:
    """Collects a graph. A constant that is used twice is kept once."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def add(self, kind: str, *inputs: Value, **attributes: Any) -> str:
        """One node with one output: the output's name."""
        return self.several(kind, 1, *inputs, **attributes)[0]

    def several(self, kind: str, count: int, *inputs: Value, **attributes: Any) -> list[str]:
        """One node with so many outputs: their names."""
        outputs = [f"{kind.lower()}{len(self.nodes)}_{number}" for number in range(count)]
        self.nodes.append(helper.make_node(kind, [self._name(each) for each in inputs], outputs, **attributes))
        return outputs

    def reshape(self, value: Value, *shape: int) -> str:
        """0 keeps a size, -1 is what is left."""
        return self.add("Reshape", value, np.array(shape, np.int64))

    def transpose(self, value: Value, *order: int) -> str:
        return self.add("Transpose", value, perm=list(order))

    def part(self, value: Value, axis: int, begin: int, end: int = LAST) -> str:
        """A slice; numbers below 0 count from the end."""
        bounds = [np.array([each], np.int64) for each in (begin, end, axis)]
        return self.add("Slice", value, *bounds)

    def join(self, axis: int, *values: Value) -> str:
        return self.add("Concat", *values, axis=axis)

    def _name(self, value: Value) -> str:
        if isinstance(value, str):
            return value
        key = (value.dtype.str, value.shape, value.tobytes())
        if key not in self._known:
            self._known[key] = f"constant{len(self.constants)}"
            self.constants.append(numpy_helper.from_array(np.array(value, order="C"), self._known[key]))
        return self._known[key]


def single(*values: float) -> npt.NDArray[np.float32]:
    """A float32 constant."""
    return np.array(values, np.float32)


def graph(writer: Writer, name: str, inputs: list[Any], outputs: list[Any]) -> Any:
    """The ONNX graph of what was written."""
    return helper.make_graph(writer.nodes, name, inputs, outputs, writer.constants)


def info(name: str, kind: int, *shape: str | int) -> Any:
    """An input or output of a graph."""
    return helper.make_tensor_value_info(name, kind, list(shape))


FLOAT, DOUBLE, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.INT64
