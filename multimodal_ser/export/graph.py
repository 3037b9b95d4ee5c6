"""Writing ONNX graphs node by node, for what is no Keras network."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

from multimodal_ser.export.runtime import OPSET


class Graph:
    """A graph of one input and one output that grows from the input on.

    Values go by their names, which its methods return.

    Args:
        shape: of the input, without the batch; None where any size goes.

    Example:
        >>> graph = Graph((3,))
        >>> doubled = graph.add("Mul", graph.input, graph.constant(np.float32([2, 2, 2])))
        >>> from multimodal_ser.export.runtime import LightNetwork
        >>> network = LightNetwork(graph.content(doubled, (3,)))
        >>> network.predict_on_batch(np.ones((1, 3))).tolist()
        [[2.0, 2.0, 2.0]]
    """

    input = "values"

    def __init__(self, shape: Sequence[int | None]) -> None:
        self._shape = tuple(shape)
        self._nodes: list = []
        self._weights: list = []
        self._known: dict[tuple, str] = {}

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of one output and return that output's name."""
        name = f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def constant(self, values: npt.ArrayLike) -> str:
        """Return the name of a constant; equal ones are kept once."""
        array = np.ascontiguousarray(values)
        key = (array.dtype.str, array.shape, hashlib.sha256(array.tobytes()).digest())
        if key not in self._known:
            self._known[key] = f"w{len(self._weights)}"
            self._weights.append(numpy_helper.from_array(array, self._known[key]))
        return self._known[key]

    def number(self, value: float) -> str:
        """Return the name of a float32 scalar."""
        return self.constant(np.float32(value))

    def axes(self, *axes: int) -> str:
        """Return the name of an int64 constant."""
        return self.constant(np.array(axes, np.int64))

    def content(self, output: str, shape: Sequence[int | None]) -> bytes:
        """Return the ONNX file.

        Args:
            output: name of the value that the graph gives.
            shape: of the output, without the batch.
        """
        given = self.add("Identity", output)
        infos = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *sizes])
            for name, sizes in ((self.input, self._shape), (given, shape))
        ]
        graph = helper.make_graph(self._nodes, "network", infos[:1], infos[1:], self._weights)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], producer_name="multimodal_ser")
        model.ir_version = 8  # what ONNX Runtime has read since 2022
        return model.SerializeToString(deterministic=True)


def chain(graph: Graph, value: str, *steps: tuple) -> str:
    """Add nodes that each take the one before and return the last's output.

    Args:
        graph: to add to.
        value: what the first takes.
        steps: an operator and its further inputs each.
    """
    for operator, *inputs in steps:
        value = graph.add(operator, value, *inputs)
    return value
