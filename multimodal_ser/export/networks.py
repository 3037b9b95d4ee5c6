"""Keras networks as ONNX graphs, by Keras's own export.

Keras hands its TensorFlow graph to ``tf2onnx``. What is added here:

- Large weights go through the export as inputs and become constants afterwards. ``tf2onnx``
  copies constants in every pass: the 241 MB of ``aei_cnn`` took 13 GB of memory and 60 s, and
  take 2 GB and 7 s so.
- GRUs are unrolled: ``tf2onnx`` knows LSTMs but would write a loop for a GRU, which
  :mod:`~multimodal_ser.export.runtime` refuses.
- ``tf2onnx`` writes what it cannot translate all the same, so each graph is checked. A network
  that does not pass raises :class:`NotExportable` and is used through Keras.

Most exports take a second, that of ``logmel_crnn``, whose GRU makes 38 steps each way, 9
(one core, Keras 3.15, tf2onnx 1.17). Outputs of every network here are within 4e-6 of Keras's.
"""

from __future__ import annotations

import logging
import math
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from multimodal_ser.errors import ModelError
from multimodal_ser.estimators.networks import load_keras
from multimodal_ser.export.runtime import OPSET, NotExportable, check
from multimodal_ser.plugins import require

if TYPE_CHECKING:
    import keras

#: From here on a weight is large.
_LARGE_BYTES = 2**22


def network_to_onnx(network: keras.Model) -> bytes:
    """Return a Keras network as an ONNX file.

    Args:
        network: of one input and one output, float32; the size of a batch stays free.

    Raises:
        NotExportable: it has another number of inputs or outputs, or a layer that
            ONNX's plain operators cannot express.

    Example:
        >>> content = network_to_onnx(network)  # doctest: +SKIP
    """
    require("tf2onnx")  # which Keras would miss in the middle of its export
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise NotExportable(
            f"{network.name} has {len(network.inputs)} inputs and {len(network.outputs)} outputs; "
            "a network of one each can be exported"
        )
    large = [weight for weight in network.variables if _n_bytes(weight) > _LARGE_BYTES]
    try:
        content = _with_weights(_exported(network, large), large)
        check(content, network.name)
    except Exception as error:  # Keras, TensorFlow and tf2onnx raise many kinds
        reason = error if isinstance(error, ModelError) else " ".join(str(error).split())[:200]
        raise NotExportable(f"{network.name} cannot be exported: {reason}") from error
    return content


def _n_bytes(weight: keras.Variable) -> int:
    return 4 * math.prod(weight.shape)


def _exported(network: keras.Model, large: list[keras.Variable]) -> bytes:
    """Return what Keras writes; the large weights are inputs behind the first."""
    library = load_keras()

    class Fed(library.Model):  # type: ignore[misc, name-defined]  # loaded when it is needed
        def call(self, values: object, *weights: object) -> object:
            given = {id(weight): value for weight, value in zip(large, weights, strict=True)}
            trained, other = (
                [given.get(id(weight), weight) for weight in kind]
                for kind in (network.trainable_variables, network.non_trainable_variables)
            )
            return network.stateless_call(trained, other, values, training=False)[0]

    fed = Fed()
    fed.network, fed.built = network, True  # so that Keras finds the variables
    shapes = [network.input_shape, *(weight.shape for weight in large)]
    signature = [
        library.InputSpec(shape=shape, dtype="float32", name=name)
        for shape, name in zip(shapes, ["values", *_names(large)], strict=True)
    ]
    with tempfile.TemporaryDirectory() as folder, _quiet(), _unrolled(network):
        path = Path(folder) / "network.onnx"
        fed.export(
            path, format="onnx", verbose=False, input_signature=signature, opset_version=OPSET
        )
        return path.read_bytes()


def _names(large: list[keras.Variable]) -> list[str]:
    return [f"large_{number}" for number in range(len(large))]


def _with_weights(content: bytes, large: list[keras.Variable]) -> bytes:
    """Return a graph whose inputs behind the first are constants."""
    import onnx

    model = onnx.ModelProto.FromString(content)
    for name, weight in zip(_names(large), large, strict=True):
        values = load_keras().ops.convert_to_numpy(weight)
        model.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    del model.graph.input[1:]
    # tf2onnx declares the operators for trees whether they are used or not.
    for opset in [opset for opset in model.opset_import if opset.domain == "ai.onnx.ml"]:
        model.opset_import.remove(opset)
    return model.SerializeToString(deterministic=True)


@contextmanager
def _unrolled(network: keras.Model) -> Iterator[None]:
    units = [layer for layer in network._flatten_layers() if type(layer).__name__ == "GRU"]
    before = [layer.unroll for layer in units]
    for layer in units:
        layer.unroll = True
    try:
        yield
    finally:
        for layer, was in zip(units, before, strict=True):
            layer.unroll = was


@contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            # Keras looks whether NumPy has an alias that NumPy is to redefine.
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logger.setLevel(level)
