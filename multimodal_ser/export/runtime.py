"""Exported networks: ONNX files, checked as data and run by ONNX Runtime.

Prediction needs none of the libraries that a model was trained with: importing
TensorFlow takes 5 seconds and scikit-learn 1, ONNX Runtime a tenth of one.

A file may come from anyone. It is read only if it is one graph of the plain
operators in :data:`OPS`, which hold no loops, branches, code or paths of other
files; ONNX Runtime is given its bytes, no extensions, and one thread. What was
found is remembered by :mod:`multimodal_ser.export.checked`, so that the next
process neither checks the file again nor imports ONNX; and a network's session is
made when it is first run, so that a sound does not wait for what looks at faces.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from multimodal_ser.compute.files import write_atomically
from multimodal_ser.errors import ModelError, SerError
from multimodal_ser.estimators.files import LARGEST_BYTES, check_file
from multimodal_ser.export import checked

if TYPE_CHECKING:
    import onnx
    import onnxruntime

    from multimodal_ser.export.limits import Outline

#: What an exported network may be made of; what the exporters write.
# fmt: off
OPS = frozenset((
    "Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Conv", "Div", "Exp",
    "Expand", "Flatten", "GRU", "Gather", "Identity", "LSTM", "Log", "MatMul", "Max", "MaxPool",
    "Mul", "Neg", "Pad", "Reciprocal", "ReduceMean", "ReduceProd", "ReduceSum", "Relu", "Reshape",
    "ReverseSequence", "Shape", "Sigmoid", "Size", "Slice", "Softmax", "Softplus", "Split", "Sqrt",
    "Squeeze", "Sub", "Tanh", "Transpose", "Unsqueeze",
))
# fmt: on
#: The operator set that the exporters write; ONNX 1.13, December 2022.
OPSET = 18
#: Raised when a network is checked in another way, so that all are checked again.
CHECK = 1
#: How far an exported network's probabilities may be from the original's; both
#: compute in single precision, in another order.
TOLERANCE = 1e-5
#: What a run may take: memory, of which ONNX Runtime takes up to twice as much where it folds
#: constants, and multiplications and additions for each row. Of the networks here ``vgg19`` makes
#: most of these, 4e10 for an image of 224 px.
_MOST_BYTES, _MOST_OPERATIONS = 2**30, 2**36
#: Bytes of a file beside its weights' numbers; the recurrent networks, unrolled, have the most.
_MOST_STRUCTURE = 2**23
#: Rows that a graph is looked at with at least, and the size of free axes before one is known.
_ROWS, _STAND_IN = 64, 64
#: By how much single precision may miss 0, 1 and a sum of 1.
_ROUNDING = 1e-3
#: No axis of the weights is longer; a forged file may claim one of any length.
_LONGEST_AXIS = 2**27


class NotExportable(SerError):
    """A model has a part for which no exporter is written; the original is used."""


class LightNetwork:
    """A network that ONNX Runtime runs, of one input and one output.

    Args:
        content: of an ONNX file.
        source: its path, for errors.

    Attributes:
        input_shape: with None where any size goes; the first axis is the batch.
        output_shape: likewise.

    Raises:
        ModelError: the content is no such network.

    Example:
        >>> load("model/video/network.onnx").input_shape  # doctest: +SKIP
        (None, 48, 48, 1)
    """

    def __init__(self, content: bytes, source: str | Path = "network") -> None:
        self.source, self._content = str(source), content
        #: Rows that inputs of these axes may have.
        self._rows: dict[tuple[int, ...], int] = {}
        limits = (CHECK, _MOST_BYTES, _MOST_OPERATIONS, _MOST_STRUCTURE, LARGEST_BYTES, sorted(OPS))
        self._record = checked.record_path(content, limits)
        known = checked.find(self._record)
        if known is None:
            self._examine()
            self._content = b""  # the outline and the session are what is needed of it
        else:
            self.input_shape = tuple(known.input_shape)
            self.output_shape = tuple(known.output_shape)
            self._rows = {tuple(others): rows for rows, *others in known.within}

    def _examine(self) -> None:
        """Check the network, make its session, and put what is found on record."""
        axes = self._outline.input[0].type.tensor_type.shape.dim
        dims = [dim.dim_value or _STAND_IN for dim in axes]
        # Before the session is made: whatever is computed of constants is computed there.
        if not self._within((1, *dims[1:])):
            text = "it would take more memory or time than any network here"
            raise _unusable(self.source, text)
        (taken,), (given,) = self._session.get_inputs(), self._session.get_outputs()
        self.input_shape, self.output_shape = _shape(taken), _shape(given)
        self._keep()

    def _keep(self) -> None:
        shapes = [[rows, *others] for others, rows in self._rows.items()][-checked.MOST_SHAPES :]
        found = checked.Findings(list(self.input_shape), list(self.output_shape), shapes)
        checked.keep(self._record, found)

    @functools.cached_property
    def _outline(self) -> Outline:
        from multimodal_ser.export.limits import Outline, Unbounded

        try:
            return Outline(check(self._content, self.source))
        except Unbounded as reason:
            raise _unusable(self.source, reason) from None

    @functools.cached_property
    def _input(self) -> str:
        return self._session.get_inputs()[0].name

    @functools.cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # Clips are the parallel part; and a sum in another order would differ
        # in its last digits from one machine to the next.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            return onnxruntime.InferenceSession(
                self._content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # whatever a damaged graph makes it raise
            raise _unusable(self.source, error) from error

    def predict_on_batch(self, values: np.ndarray) -> np.ndarray:
        """Return the network's output, as the method of ``keras.Model`` does.

        Args:
            values: float32, of :attr:`input_shape`.

        Many rows that would take too much memory together are taken in parts.

        Raises:
            ModelError: the network cannot take these values, or its output is not finite.
        """
        values = np.ascontiguousarray(values, np.float32)
        # Looked at with more rows than there are, so that the next call need not be.
        more = (max(_ROWS, len(values)), *values.shape[1:])
        if not (len(values) > 1 and self._within(more)) and not self._within(values.shape):
            if len(values) < 2:
                raise _unusable(self.source, "it would take too much memory or time")
            parts = np.array_split(values, 2)
            return np.concatenate([self.predict_on_batch(part) for part in parts])
        try:
            given = self._session.run(None, {self._input: values})[0]
        except Exception as error:
            raise _unusable(self.source, error) from error
        if not np.isfinite(given).all():
            raise _unusable(self.source, "it gives values that are not numbers")
        return given

    def _within(self, shape: tuple[int, ...]) -> bool:
        """Return whether a run with an input of a shape stays within the limits."""
        n_rows, *others = shape
        if n_rows <= self._rows.get(tuple(others), 0):
            return True
        from multimodal_ser.export.limits import Unbounded

        try:
            taken = self._outline.cost((n_rows, *others))
        except Unbounded as reason:
            raise _unusable(self.source, reason) from None
        fits = taken.peak_bytes <= _MOST_BYTES and taken.operations <= _MOST_OPERATIONS * n_rows
        if fits:
            self._rows[tuple(others)] = n_rows
            if hasattr(self, "output_shape"):  # else there is more to examine
                self._keep()
        return fits


def load(path: str | Path) -> LightNetwork:
    """Read an exported network.

    Raises:
        ModelError: the file is missing, damaged, too large, or holds anything
            but a plain graph.
    """
    try:
        with open(check_file(path), "rb") as file:
            content = file.read(LARGEST_BYTES + 1)
        return LightNetwork(content, path)
    except OSError as error:
        raise ModelError(f"{path}: it cannot be read ({error.strerror})") from error
    except MemoryError as error:
        raise ModelError(f"{path}: there is not enough memory to read it") from error


def check(content: bytes, source: str | Path) -> onnx.ModelProto:
    """Return a graph, if it is one plain ONNX graph with its weights in it.

    Args:
        content: of the file.
        source: for the error.

    Raises:
        ModelError: it is none.

    Example:
        >>> check(b"PK", "a.onnx")
        Traceback (most recent call last):
        multimodal_ser.errors.ModelError: a.onnx: not a usable exported network (...
    """
    import onnx

    from multimodal_ser.export.limits import structure_bytes

    if len(content) > LARGEST_BYTES:
        raise _unusable(source, f"it has more than {LARGEST_BYTES >> 20} MB")
    try:
        structure = structure_bytes(content)
        model = onnx.ModelProto.FromString(content) if structure <= _MOST_STRUCTURE else None
    except Exception as error:
        raise _unusable(source, error) from error
    if model is None:
        raise _unusable(source, f"it has {structure} bytes beside its weights")
    graph = model.graph
    if len(graph.input) != 1 or len(graph.output) != 1 or not graph.node:
        raise _unusable(source, "it is not a graph of one input and one output")
    strange = sorted({node.op_type for node in graph.node} - OPS)
    domains = {node.domain for node in graph.node} | {use.domain for use in model.opset_import}
    if strange or domains - {"", "ai.onnx"} or model.functions or graph.sparse_initializer:
        raise _unusable(source, f"it uses {', '.join(strange) or 'extensions'}")
    for weights in graph.initializer:
        if weights.data_location or weights.external_data:
            raise _unusable(source, "it names another file as its weights")
        if any(not 0 <= size <= _LONGEST_AXIS for size in weights.dims):
            raise _unusable(source, f"its weights have the shape {list(weights.dims)}")
    return model


def checked_probabilities(values: np.ndarray, source: str) -> np.ndarray:
    """Return what a network says, if it is probabilities.

    Args:
        values: ``(n, k)``.
        source: the network, for the error.

    Raises:
        ModelError: a value is not between 0 and 1, or a row does not sum to 1.

    Example:
        >>> checked_probabilities(np.float32([[0.25, 0.75]]), "a.onnx").tolist()
        [[0.25, 0.75]]
    """
    # A NaN is not in the range either.
    if not ((values >= -_ROUNDING) & (values <= 1 + _ROUNDING)).all():
        raise _unusable(source, "it gives values that are no probabilities")
    if not (np.abs(values.sum(axis=-1, dtype=np.float64) - 1) <= _ROUNDING).all():
        raise _unusable(source, "its probabilities do not sum to 1")
    return values


def export(
    content: bytes,
    path: str | Path,
    reference: Callable[[np.ndarray], np.ndarray],
    values: np.ndarray,
    tolerance: float = TOLERANCE,
) -> None:
    """Write an exported network, if it gives the original's probabilities.

    Args:
        content: of the ONNX file to be.
        path: where it goes; written atomically.
        reference: the original, from values to probabilities.
        values: float32, inputs to try both on.
        tolerance: how far a probability may be off.

    Raises:
        NotExportable: the two differ by more; nothing is written.
        OSError: the file cannot be written.
    """
    expected = np.asarray(reference(values))
    given = LightNetwork(content, path).predict_on_batch(values)
    apart = np.abs(given - expected).max() if given.shape == expected.shape else np.inf
    if not apart <= tolerance:
        raise NotExportable(f"the exported network is {apart:.1e} off the original")
    write_atomically(path, lambda file: file.write(content))


def _shape(of) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in of.shape)


def _unusable(source: str | Path, reason) -> ModelError:
    said = " ".join(str(reason).split())[:200]
    return ModelError(
        f"{source}: not a usable exported network ({said}); copy the model again or train it"
    )
