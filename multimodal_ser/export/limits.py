"""What a graph will take, found without running it.

A graph of a kilobyte can ask for more memory and time than there is: forty times a value joined
to itself, or a chain of products of large matrices. ONNX Runtime has no limit that holds (the
one of its arena is not kept for constants, and constants are folded outside of it), and a trial
in another process would cost each prediction half a second. So the shapes are computed first,
node by node, by ONNX's own rules, with the numbers that shapes are made of; whatever depends on
the values that go in has no shape here, and the graph is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import onnx

#: Arrays of integers up to this size are computed: they are shapes and axes.
_SMALL = 1024
#: Nodes of a graph; the largest here, a recurrent network unrolled, has some thousands.
_MOST_NODES = 100_000
#: Fields of a file that hold others, from the model to its graph to a weight (``onnx.proto``), and
#: those of a weight that take as much memory as in the file: raw numbers and floats.
_GRAPH: tuple[tuple[int, ...], ...] = ((7,), (5,))
_NUMBERS = (4, 9)
_MOST_PARTS = 300_000
_INTEGERS = (onnx.TensorProto.INT64, onnx.TensorProto.INT32)


class Cost(NamedTuple):
    """What one run takes.

    Attributes:
        peak_bytes: of all values that are alive at the same time, the largest sum.
        operations: multiplications and additions, and values written.
    """

    peak_bytes: int
    operations: int


class Unbounded(Exception):
    """What a graph takes cannot be told beforehand."""


def structure_bytes(content: bytes) -> int:
    """Return how many bytes of an ONNX file are anything but the numbers of weights.

    A node of two bytes takes 140 when it is read, and so a file of 100 MB may take 7 GB.

    Args:
        content: of the file, which is protobuf.

    Raises:
        Unbounded: it is no protobuf, or of too many parts.
    """
    total, seen = len(content), 0
    waiting = [(0, len(content), _GRAPH)]
    while waiting:
        at, stop, path = waiting.pop()
        for field, begin, end in _parts(content, at, stop):
            seen += 1
            if seen > _MOST_PARTS:
                raise Unbounded(f"it has more than {_MOST_PARTS} parts")
            if path and field in path[0]:
                waiting.append((begin, end, path[1:]))
            elif not path and field in _NUMBERS:
                total -= end - begin
    return total


def _parts(content: bytes, at: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, begin and end of the fields of a protobuf message."""
    try:
        while at < stop:
            key, at = _varint(content, at)
            kind, begin = key & 7, at
            if kind == 0:
                _, at = _varint(content, at)
            elif kind == 2:
                size, begin = _varint(content, at)
                at = begin + size
            else:
                at += {1: 8, 5: 4}[kind]
            if at > stop:
                raise IndexError
            yield key >> 3, begin, at
    except (IndexError, KeyError):
        raise Unbounded("it is cut short or damaged") from None


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while content[at] > 127 and shift < 63:
        value |= (content[at] & 127) << shift
        at, shift = at + 1, shift + 7
    return value | content[at] << shift, at + 1


class Outline:
    """A graph without its weights' numbers, which is all that its cost depends on.

    Args:
        model: of one input and one output, see :func:`~multimodal_ser.export.runtime.check`.

    Raises:
        Unbounded: it has too many nodes.

    Example:
        >>> Outline(onnx.ModelProto.FromString(content)).cost((1, 48, 48, 1))  # doctest: +SKIP
        Cost(peak_bytes=4454100, operations=175275536)
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        if len(model.graph.node) > _MOST_NODES:
            raise Unbounded(f"it has {len(model.graph.node)} nodes")
        kept = onnx.ModelProto()  # a part would keep the whole in memory
        kept.graph.node.extend(model.graph.node)
        kept.graph.input.extend(model.graph.input)
        kept.opset_import.extend(model.opset_import)
        self.nodes, self.opsets, self.input = kept.graph.node, kept.opset_import, kept.graph.input
        self.version = max((use.version for use in self.opsets if not use.domain), default=1)
        self.types: dict[str, onnx.TypeProto] = {}
        self.values: dict[str, np.ndarray] = {}
        for weights in model.graph.initializer:
            dims, kind = list(weights.dims), weights.data_type
            self.types[weights.name] = onnx.helper.make_tensor_type_proto(kind, dims)
            if kind in _INTEGERS and math.prod(dims) <= _SMALL:
                self.values[weights.name] = onnx.numpy_helper.to_array(weights).astype(np.int64)
        self._dying: dict[int, list[str]] = {}
        last = {name: at for at, node in enumerate(self.nodes) for name in node.input if name}
        for name in last.keys() - self.types.keys():
            self._dying.setdefault(last[name], []).append(name)

    def cost(self, shape: tuple[int, ...]) -> Cost:
        """Return what the graph takes for an input of a shape.

        Raises:
            Unbounded: there is a value whose shape depends on more than that.
        """
        known = _Known(self, shape)
        alive = peak = sum(map(known.n_bytes, known.types))
        operations = 0
        for at, node in enumerate(self.nodes):
            known.infer(node)
            alive += sum(known.n_bytes(name) for name in node.output if name)
            peak = max(peak, alive)
            operations += known.operations(node)
            alive -= sum(map(known.n_bytes, self._dying.get(at, ())))
        return Cost(peak, operations)


class _Known:
    """Types of all values so far, and the small integers among them."""

    def __init__(self, outline: Outline, shape: tuple[int, ...]) -> None:
        (given,) = outline.input
        kind = given.type.tensor_type.elem_type
        self.types = dict(outline.types)
        self.types[given.name] = onnx.helper.make_tensor_type_proto(kind, shape)
        self.values, self.outline = dict(outline.values), outline

    def shape(self, name: str) -> tuple[int, ...]:
        if name not in self.types or not self.types[name].tensor_type.HasField("shape"):
            raise Unbounded(f"the shape of {name:.80} is not known")
        dims = self.types[name].tensor_type.shape.dim
        if any(not dim.HasField("dim_value") or dim.dim_value < 0 for dim in dims):
            raise Unbounded(f"the shape of {name:.80} depends on the values that go in")
        return tuple(dim.dim_value for dim in dims)

    def n_bytes(self, name: str) -> int:
        kind = onnx.helper.tensor_dtype_to_np_dtype(self.types[name].tensor_type.elem_type)
        return math.prod(self.shape(name)) * np.dtype(kind).itemsize

    def infer(self, node: onnx.NodeProto) -> None:
        """Note the types of a node's outputs, and their values where they are small integers."""
        inputs = [name for name in node.input if name]
        types = {name: self.types[name] for name in inputs if self.shape(name) is not None}
        data = {
            name: onnx.numpy_helper.from_array(self.values[name], name)
            for name in inputs[1:]  # no shape depends on the numbers of the first
            if name in self.values
        }
        schema = onnx.defs.get_schema(node.op_type, self.outline.version)
        try:
            found = onnx.shape_inference.infer_node_outputs(
                schema, node, types, data, opset_imports=list(self.outline.opsets)
            )
        except Exception as error:  # of ONNX's compiled code, and of a forged type
            raise Unbounded(f"{node.op_type} does not fit its inputs") from error
        for name in filter(None, node.output):
            if name in self.types or name not in found:
                raise Unbounded(f"{name:.80} is made twice, or of nothing")
            self.types[name] = found[name]
        first = node.output[0]
        if node.op_type in _COMPUTED and math.prod(self.shape(first)) <= _SMALL:
            self._compute(node, first)

    def _compute(self, node: onnx.NodeProto, output: str) -> None:
        asked = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        if node.op_type in ("Shape", "Size"):
            given: list[Any] = [np.array(self.shape(node.input[0]), np.int64)]
        elif all(name in self.values for name in node.input if name):
            given = [self.values[name] if name else None for name in node.input]
        else:
            return
        try:
            made = np.asarray(_COMPUTED[node.op_type](asked, *given))
        except Exception as error:  # whatever a forged attribute makes NumPy raise
            raise Unbounded(f"{node.op_type} does not fit its inputs") from error
        if made.shape == self.shape(output):
            self.values[output] = made.astype(np.int64)

    def operations(self, node: onnx.NodeProto) -> int:
        """Return about how many numbers a node multiplies, adds and writes."""
        written = sum(math.prod(self.shape(name)) for name in node.output if name)
        shapes = [self.shape(name) for name in node.input if name]
        each = 1
        if node.op_type == "MatMul":
            each = 2 * shapes[0][-1]
        elif node.op_type == "Conv":
            each = 2 * math.prod(shapes[1][1:])
        elif node.op_type in ("AveragePool", "MaxPool"):
            sizes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
            each = math.prod(sizes["kernel_shape"])
        elif node.op_type in ("GRU", "LSTM"):
            # Each step of each row goes through all weights.
            return 2 * math.prod(shapes[0][:2]) * sum(map(math.prod, shapes[1:3]))
        return written * each + sum(map(math.prod, shapes))


def _slice(_asked: dict, data: np.ndarray, starts, ends, axes=None, steps=None) -> np.ndarray:
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    cut = [slice(None)] * data.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        # An end before the first is said as a large negative number.
        last = None if step < 0 and end < -data.shape[axis] else int(end)
        cut[axis] = slice(int(start), last, int(step))
    return data[tuple(cut)]


def _squeeze(_asked: dict, data: np.ndarray, axes=None) -> np.ndarray:
    return np.squeeze(data, None if axes is None else tuple(map(int, axes)))


def _reduced(function: Callable) -> Callable:
    def reduce(asked: dict, data: np.ndarray, axes=None) -> np.ndarray:
        over = asked.get("axes") if axes is None else axes
        keep = bool(asked.get("keepdims", 1))
        return function(data, axis=None if over is None else tuple(map(int, over)), keepdims=keep)

    return reduce


def _pad(asked: dict, data: np.ndarray, pads, value=0, axes=None) -> np.ndarray:
    if asked.get("mode", b"constant") != b"constant" or axes is not None:
        return np.array([])
    return np.pad(data, pads.reshape(2, -1).T, constant_values=0 if value is None else value)


def _shape(asked: dict, shape: np.ndarray) -> np.ndarray:
    return shape[asked.get("start", 0) : asked.get("end")]


#: Operators that shapes are computed with, on integers: their attributes and inputs -> output.
_COMPUTED: dict[str, Callable] = {
    "Shape": _shape,
    "Size": lambda _, shape: np.prod(shape),
    "Slice": _slice,
    "Squeeze": _squeeze,
    "ReduceProd": _reduced(np.prod),
    "ReduceSum": _reduced(np.sum),
    "Identity": lambda _, data: data,
    "Cast": lambda asked, data: data if asked["to"] in _INTEGERS else np.array([]),
    "Gather": lambda asked, data, index: np.take(data, index, axis=asked.get("axis", 0)),
    "Concat": lambda asked, *parts: np.concatenate(parts, axis=asked["axis"]),
    "Pad": _pad,
    "Transpose": lambda asked, data: np.transpose(data, asked.get("perm")),
    "Unsqueeze": lambda _, data, axes: np.expand_dims(data, tuple(map(int, axes))),
    "Add": lambda _, a, b: a + b,
    "Sub": lambda _, a, b: a - b,
    "Mul": lambda _, a, b: a * b,
    "Max": lambda _, *parts: np.maximum.reduce(np.broadcast_arrays(*parts)),
    "Neg": lambda _, data: -data,
    "Div": lambda _, a, b: np.trunc(a / b),
    "Reshape": lambda _, data, shape: data.reshape(shape),
    "Expand": lambda _, data, shape: np.broadcast_to(
        data, np.broadcast_shapes(data.shape, tuple(map(int, shape)))
    ),
}
