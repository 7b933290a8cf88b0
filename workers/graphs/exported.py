"""Tensors out of upstream's three ONNX graphs.

Their names differ from export to export, and folded ones have none ("onnx::Conv_282"), but every node's name begins with
the module that it came from: "/erb_conv1/0/Conv", "/df_gru/gru/GRU_1". So weights are found by the nodes that use them.
"""

from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from workers.graphs.errors import WeightsError
from workers.graphs.shapes import Floats, Tensors

EXTERNAL = onnx.TensorProto.EXTERNAL
LINEAR = {
    ("enc.onnx", "df_fc_emb", ""): "complex_in",
    ("enc.onnx", "emb_gru", "linear_in"): "encoder_in",
    ("enc.onnx", "emb_gru", "linear_out"): "encoder_out",
    ("erb_dec.onnx", "emb_gru", "linear_in"): "mask_in",
    ("erb_dec.onnx", "emb_gru", "linear_out"): "mask_out",
    ("df_dec.onnx", "df_gru", "linear_in"): "filter_in",
    ("df_dec.onnx", "df_skip", ""): "filter_skip",
    ("df_dec.onnx", "df_out", ""): "filter_out",
}
STACK = {"enc.onnx": "encoder", "erb_dec.onnx": "mask", "df_dec.onnx": "filter"}


def tensors(part: str, content: bytes) -> Tensors:
    """The learnt tensors of one of the three graphs, by our names. Raises WeightsError."""
    try:
        graph = onnx.load_model_from_string(content).graph
        return _Reader(part, graph).read()
    except WeightsError:
        raise
    except Exception as error:  # protobuf's errors have no base of their own
        raise WeightsError(f"{part} is no ONNX model: {' '.join(str(error).split())[:200]}") from error


class _Reader:
    """Walks the nodes of one graph in order."""

    def __init__(self, part: str, graph: Any) -> None:
        self._part, self._graph = part, graph
        self._constants = {each.name: each for each in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant":
                self._constants.update((node.output[0], each.t) for each in node.attribute if each.name == "value")
        self._found: Tensors = {}
        self._layers = 0

    def read(self) -> Tensors:
        for node in self._graph.node:
            path = [each for each in node.name.split("/") if each]
            if not path:
                continue
            if node.op_type in ("Conv", "ConvTranspose"):
                self._convolution(path[0], node)
            elif node.op_type == "Einsum":
                self._linear(path, node)
            elif node.op_type == "GRU":
                self._gru(node)
        return self._found

    def _convolution(self, block: str, node: Any) -> None:
        weight, shift = self._learnt(node.input[1]), node.input[2] if len(node.input) > 2 else ""
        if f"{block}.first" in self._found:
            self._put(f"{block}.second", weight.reshape(weight.shape[:2]))
        else:
            self._put(f"{block}.first", weight)
        if shift:
            self._put(f"{block}.shift", self._learnt(shift))

    def _linear(self, path: list[str], node: Any) -> None:
        inner = path[1] if path[0].endswith("_gru") else ""
        name = LINEAR.get((self._part, path[0], inner))
        if name is not None:
            self._put(name, self._learnt(node.input[1]))

    def _gru(self, node: Any) -> None:
        options = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        if options.get("linear_before_reset") != 1 or options.get("direction", b"forward") != b"forward" or "activations" in options:
            raise WeightsError(f"{self._part} has a GRU of another kind")
        for letter, name in zip("wrb", node.input[1:4], strict=True):
            self._put(f"{STACK[self._part]}.{self._layers}.{letter}", self._learnt(name))
        self._layers += 1

    def _put(self, name: str, value: Floats) -> None:
        if name in self._found:
            raise WeightsError(f"{self._part} has {name} twice")
        self._found[name] = value

    def _learnt(self, name: str) -> Floats:
        tensor = self._constants.get(name)
        if tensor is None:
            raise WeightsError(f"{self._part} lacks the tensor {name}")
        if tensor.data_location == EXTERNAL:
            raise WeightsError(f"{self._part} keeps its weights in another file")
        return np.asarray(numpy_helper.to_array(tensor), np.float32)
