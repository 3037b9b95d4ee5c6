"""Keras networks as ONNX graphs.

Written here layer by layer, because the converter that Keras calls
(``tf2onnx``) works with TensorFlow alone and is no longer looked after. A layer
without a translation raises :class:`NotExportable`: such a network is used
through Keras.

Keras has the channels last and ONNX Runtime's convolutions have them first.
Each value remembers which way it lies and is turned only when the next layer
needs the other way, so that most networks are turned once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from multimodal_ser.export.graph import Graph, chain
from multimodal_ser.export.runtime import NotExportable


class Value(NamedTuple):
    """A tensor of the graph.

    Attributes:
        name: in the graph.
        rank: its number of axes.
        first: whether channels are its second axis instead of its last.
    """

    name: str
    rank: int
    first: bool = False


def network_to_onnx(network) -> bytes:
    """Return a Keras network as an ONNX file.

    Args:
        network: a ``keras.Model`` of one input and one output, float32.

    Raises:
        NotExportable: it has a layer, or an option of one, that has no
            translation here.

    Example:
        >>> content = network_to_onnx(network)  # doctest: +SKIP
    """
    _one_tensor_each_way(network)
    graph = Graph(network.input_shape[1:])
    start = Value(graph.input, len(network.input_shape))
    end = add_network(graph, network, start)
    return graph.content(end.name, network.output_shape[1:])


def add_network(graph: Graph, network, value: Value) -> Value:
    """Add a whole network to a graph.

    Args:
        graph: to add to.
        network: a ``keras.Model`` of one input and one output.
        value: the input.

    Returns:
        The output, channels last.

    Raises:
        NotExportable: see :func:`network_to_onnx`.
    """
    _one_tensor_each_way(network)
    known = {id(network.inputs[0]): value}

    def of(tensor) -> Value:
        if id(tensor) not in known:
            operation, at, _ = tensor._keras_history
            node = operation._inbound_nodes[at]
            inputs = [of(source) for source in node.input_tensors]
            known[id(tensor)] = _translated(graph, operation, inputs)
        return known[id(tensor)]

    return _last(graph, of(network.outputs[0]))


def _one_tensor_each_way(network) -> None:
    if len(getattr(network, "inputs", ())) != 1 or len(getattr(network, "outputs", ())) != 1:
        raise NotExportable("a network that is not from one tensor to one cannot be exported")


def _translated(graph: Graph, layer, inputs: list[Value]) -> Value:
    kind = type(layer).__name__
    if hasattr(layer, "outputs") and hasattr(layer, "layers"):
        return add_network(graph, layer, _last(graph, inputs[0]))
    if kind not in _LAYERS:
        raise NotExportable(f"a layer {kind} cannot be exported; the network is used by Keras")
    value = _LAYERS[kind](graph, layer, *inputs)
    if kind not in _OWN_ACTIVATION:
        value = _activated(graph, value, getattr(layer, "activation", None))
    return value


def _refuse_unless(fits: bool, layer, what: str) -> None:
    if not fits:
        raise NotExportable(f"a layer {type(layer).__name__} with {what} cannot be exported")


def _first(graph: Graph, value: Value) -> Value:
    if value.first:
        return value
    order = (0, value.rank - 1, *range(1, value.rank - 1))
    return Value(graph.add("Transpose", value.name, perm=order), value.rank, True)


def _last(graph: Graph, value: Value) -> Value:
    if not value.first:
        return value
    order = (0, *range(2, value.rank), 1)
    return Value(graph.add("Transpose", value.name, perm=order), value.rank)


def _activated(graph: Graph, value: Value, function) -> Value:
    name = getattr(function, "__name__", None)
    if function is None or name == "linear":
        return value
    if name == "softmax":
        value = _last(graph, value)
        return value._replace(name=graph.add("Softmax", value.name, axis=-1))
    if name not in _ACTIVATIONS:
        raise NotExportable(f"the activation {name} cannot be exported")
    return value._replace(name=graph.add(_ACTIVATIONS[name], value.name))


_ACTIVATIONS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "exponential": "Exp"}


def _same(graph: Graph, layer, value: Value) -> Value:
    return value


def _convolution(graph: Graph, layer, value: Value) -> Value:
    _refuse_unless(layer.padding in ("valid", "same"), layer, f"padding {layer.padding}")
    _refuse_unless(layer.data_format == "channels_last", layer, "channels first")
    value = _first(graph, value)
    kernel = _weights(layer.kernel)
    kernel = np.moveaxis(kernel, (-1, -2), (0, 1))  # outputs, inputs, then space
    name = graph.add(
        "Conv",
        value.name,
        graph.constant(kernel),
        *([graph.constant(_weights(layer.bias))] if layer.use_bias else []),
        kernel_shape=layer.kernel_size,
        strides=layer.strides,
        dilations=layer.dilation_rate,
        group=layer.groups,
        auto_pad=_PADDINGS[layer.padding],
    )
    return value._replace(name=name)


#: TensorFlow puts the odd pixel of "same" at the end.
_PADDINGS = {"valid": "VALID", "same": "SAME_UPPER"}


def _weights(variable) -> np.ndarray:
    import keras

    return keras.ops.convert_to_numpy(variable).astype(np.float32)


def _pooling(operator: str) -> Callable:
    def add(graph: Graph, layer, value: Value) -> Value:
        _refuse_unless(layer.data_format == "channels_last", layer, "channels first")
        steps = zip(layer.strides, layer.pool_size, strict=True)
        whole = layer.padding == "valid" or all(step <= size for step, size in steps)
        _refuse_unless(whole, layer, "gaps, padded")
        value = _first(graph, value)
        shape = {"kernel_shape": layer.pool_size, "strides": layer.strides}
        padding = _PADDINGS[layer.padding]
        return value._replace(name=graph.add(operator, value.name, auto_pad=padding, **shape))

    return add


def _global_average(graph: Graph, layer, value: Value) -> Value:
    value = _last(graph, value)
    space = graph.axes(*range(1, value.rank - 1))
    name = graph.add("ReduceMean", value.name, space, keepdims=int(layer.keepdims))
    return Value(name, value.rank if layer.keepdims else 2)


def _dense(graph: Graph, layer, value: Value) -> Value:
    value = _last(graph, value)
    name = graph.add("MatMul", value.name, graph.constant(_weights(layer.kernel)))
    if layer.use_bias:
        name = graph.add("Add", name, graph.constant(_weights(layer.bias)))
    return value._replace(name=name)


def _batch_normalisation(graph: Graph, layer, value: Value) -> Value:
    axis = layer.axis if isinstance(layer.axis, int) else layer.axis[0]
    _refuse_unless(axis in (-1, value.rank - 1), layer, f"axis {layer.axis}")
    value = _first(graph, value) if value.rank > 2 else value
    mean, spread = _weights(layer.moving_mean), _weights(layer.moving_variance)
    scale = _weights(layer.gamma) if layer.scale else np.ones_like(mean)
    shift = _weights(layer.beta) if layer.center else np.zeros_like(mean)
    arrays = [graph.constant(array) for array in (scale, shift, mean, spread)]
    epsilon = float(layer.epsilon)
    name = graph.add("BatchNormalization", value.name, *arrays, epsilon=epsilon)
    return value._replace(name=name)


def _layer_normalisation(graph: Graph, layer, value: Value) -> Value:
    value = _last(graph, value)
    given = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    axes = sorted(axis % value.rank for axis in given)
    _refuse_unless(axes == list(range(axes[0], value.rank)), layer, f"the axes {axes}")
    _refuse_unless(not getattr(layer, "rms_scaling", False), layer, "RMS scaling")
    over = graph.axes(*axes)
    centred = graph.add("Sub", value.name, graph.add("ReduceMean", value.name, over))
    variance = graph.add("ReduceMean", graph.add("Mul", centred, centred), over)
    spread = chain(graph, variance, ("Add", graph.numbers(layer.epsilon)), ("Sqrt",))
    name = graph.add("Div", centred, spread)
    if layer.scale:
        name = graph.add("Mul", name, graph.constant(_weights(layer.gamma)))
    if layer.center:
        name = graph.add("Add", name, graph.constant(_weights(layer.beta)))
    return value._replace(name=name)


def _relu(graph: Graph, layer, value: Value) -> Value:
    plain = layer.max_value is None and not layer.negative_slope and not layer.threshold
    _refuse_unless(plain, layer, "a slope, threshold or highest value")
    return value._replace(name=graph.add("Relu", value.name))


def _softmax(graph: Graph, layer, value: Value) -> Value:
    _refuse_unless(isinstance(layer.axis, int), layer, f"the axes {layer.axis}")
    value = _last(graph, value)
    return value._replace(name=graph.add("Softmax", value.name, axis=layer.axis))


def _together(operator: str) -> Callable:
    def add(graph: Graph, layer, *values: Value) -> Value:
        turn = _first if values[0].first else _last
        names = [turn(graph, value).name for value in values]
        name = names[0]
        for other in names[1:]:
            name = graph.add(operator, name, other)
        return values[0]._replace(name=name)

    return add


def _concatenate(graph: Graph, layer, *values: Value) -> Value:
    names = [_last(graph, value).name for value in values]
    return Value(graph.add("Concat", *names, axis=layer.axis), values[0].rank)


def _flatten(graph: Graph, layer, value: Value) -> Value:
    return Value(graph.add("Flatten", _last(graph, value).name, axis=1), 2)


def _reshape(graph: Graph, layer, value: Value) -> Value:
    shape = layer.target_shape
    _refuse_unless(-1 not in shape, layer, "an open shape")
    name = graph.add("Reshape", _last(graph, value).name, graph.axes(-1, *shape))
    return Value(name, len(shape) + 1)


def _rescaling(graph: Graph, layer, value: Value) -> Value:
    steps = ("Mul", graph.numbers(layer.scale)), ("Add", graph.numbers(layer.offset))
    _refuse_unless(np.ndim(layer.scale) == np.ndim(layer.offset) == 0, layer, "several scales")
    return value._replace(name=chain(graph, value.name, *steps))


def _dot(graph: Graph, layer, one: Value, other: Value) -> Value:
    fits = layer.axes in (1, (1, 1), [1, 1]) and one.rank == other.rank == 3
    _refuse_unless(fits and not layer.normalize, layer, f"the axes {layer.axes}")
    turned = graph.add("Transpose", _last(graph, one).name, perm=(0, 2, 1))
    return Value(graph.add("MatMul", turned, _last(graph, other).name), 3)


def _sum(graph: Graph, layer, value: Value) -> Value:
    value = _last(graph, value)
    axes = [layer.axis] if isinstance(layer.axis, int) else layer.axis
    _refuse_unless(bool(axes), layer, "no axis")
    name = graph.add("ReduceSum", value.name, graph.axes(*axes), keepdims=int(layer.keepdims))
    return Value(name, value.rank if layer.keepdims else value.rank - len(axes))


def _recurrent(graph: Graph, layer, value: Value) -> Value:
    """Add a GRU or LSTM, or one each way."""
    parts, both = [layer], type(layer).__name__ == "Bidirectional"
    if both:
        _refuse_unless(layer.merge_mode == "concat", layer, f"merging by {layer.merge_mode}")
        parts = [layer.forward_layer, layer.backward_layer]
    for part in parts:
        _check_recurrent(part, goes_backwards=part is not parts[0])
    kind, units, sequences = type(parts[0]).__name__, parts[0].units, parts[0].return_sequences
    arrays = zip(*(_CELLS[kind](part) for part in parts), strict=True)
    kernel, recurrent, bias = (graph.constant(np.stack(array)) for array in arrays)
    inputs = graph.add("Transpose", _last(graph, value).name, perm=(1, 0, 2))
    attributes = {"linear_before_reset": 1} if kind == "GRU" else {}
    outputs = graph.add(
        kind,
        inputs,
        kernel,
        recurrent,
        bias,
        outputs=2,
        hidden_size=units,
        direction="bidirectional" if both else "forward",
        **attributes,
    )
    if sequences:  # (time, directions, batch, units)
        turned = graph.add("Transpose", outputs[0], perm=(2, 0, 1, 3))
        name = graph.add("Reshape", turned, graph.axes(0, 0, units * len(parts)))
        return Value(name, 3)
    turned = graph.add("Transpose", outputs[1], perm=(1, 0, 2))
    return Value(graph.add("Flatten", turned, axis=1), 2)


def _check_recurrent(layer, *, goes_backwards: bool) -> None:
    kind = type(layer).__name__
    usual = (
        kind in _CELLS
        and layer.activation.__name__ == "tanh"
        and layer.recurrent_activation.__name__ == "sigmoid"
        and layer.use_bias
        and layer.go_backwards == goes_backwards
        and not layer.stateful
        and not layer.return_state
        and getattr(layer, "reset_after", True)
    )
    _refuse_unless(usual, layer, "other than the usual options")


def _gru(layer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return input weights, recurrent weights and both biases; gates z, r, h as in ONNX."""
    cell = layer.cell
    return _weights(cell.kernel).T, _weights(cell.recurrent_kernel).T, _weights(cell.bias).ravel()


def _lstm(layer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the same; Keras's gates i, f, c, o become ONNX's i, o, f, c."""
    cell = layer.cell
    order = np.arange(4 * layer.units).reshape(4, -1)[[0, 3, 1, 2]].ravel()
    bias = _weights(cell.bias)[order]
    kernels = (_weights(kernel).T[order] for kernel in (cell.kernel, cell.recurrent_kernel))
    return (*kernels, np.concatenate([bias, np.zeros_like(bias)]))


_CELLS = {"GRU": _gru, "LSTM": _lstm}
#: Layers whose ``activation`` is part of what their translation adds.
_OWN_ACTIVATION = {"GRU", "LSTM", "Bidirectional"}

_LAYERS: dict[str, Callable[..., Value]] = {
    "Activation": _same,  # its activation is added behind every layer that has one
    "Add": _together("Add"),
    "AveragePooling1D": _pooling("AveragePool"),
    "AveragePooling2D": _pooling("AveragePool"),
    "BatchNormalization": _batch_normalisation,
    "Bidirectional": _recurrent,
    "Concatenate": _concatenate,
    "Conv1D": _convolution,
    "Conv2D": _convolution,
    "Dense": _dense,
    "Divide": _together("Div"),
    "Dot": _dot,
    "Dropout": _same,
    "Flatten": _flatten,
    "GRU": _recurrent,
    "GlobalAveragePooling1D": _global_average,
    "GlobalAveragePooling2D": _global_average,
    "LSTM": _recurrent,
    "LayerNormalization": _layer_normalisation,
    "MaxPooling1D": _pooling("MaxPool"),
    "MaxPooling2D": _pooling("MaxPool"),
    "Multiply": _together("Mul"),
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "Softmax": _softmax,
    "SpatialDropout1D": _same,
    "SpatialDropout2D": _same,
    "Sum": _sum,
    "TrueDivide": _together("Div"),
}
