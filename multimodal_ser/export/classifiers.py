"""Fitted classifiers as ONNX graphs, from raw feature values to probabilities.

Translated are the classifiers that a released model may be made of: support
vector machines, logistic regression, perceptrons, their soft votes, and Keras
networks with what goes before them. Trees and neighbours raise
:class:`NotExportable` and are used by their own libraries.

Weights are kept in single precision, half of what scikit-learn takes; values
are standardised in double, since the mean of a feature may be thousands of its
deviations.

``skl2onnx`` (tried: 1.20) is no way around this module. It has no converter for ``PairwiseSVC``
and ``SoftVote``, which would still be ours; it writes support vectors, scaling and labels in
operators of ``ai.onnx.ml``, which :mod:`~multimodal_ser.export.runtime` refuses, and cannot do
without them for support vectors; and it standardises in single precision: on features whose mean
is thousands of their deviations, probabilities are 2e-5 (logistic regression) and margins 8e-5
(support vectors) off, here 1e-7.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

from multimodal_ser.export.graph import Graph, chain
from multimodal_ser.export.runtime import NotExportable

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

#: How far probabilities may be from the original's: a machine of a thousand
#: vectors in double precision against one in single.
TOLERANCE = 1e-4


def estimator_to_onnx(estimator: BaseEstimator) -> bytes:
    """Return a fitted classifier as an ONNX file.

    Args:
        estimator: what a classifier's ``build`` gave, fitted on classes 0 to
            k-1.

    Returns:
        A graph from float32 features, one row per clip, to ``(n_clips, k)``.

    Raises:
        NotExportable: the classifier, or an option of it, has no translation.

    Example:
        >>> from multimodal_ser.estimators.classical import regression
        >>> values = np.random.default_rng(0).normal(size=(20, 3))
        >>> fitted = regression(c=1.0).fit(values, values[:, 0] > 0)
        >>> from multimodal_ser.export.runtime import LightNetwork
        >>> LightNetwork(estimator_to_onnx(fitted)).input_shape
        (None, 3)
    """
    if _is_keras(estimator):
        return _keras_classifier(estimator)
    if type(estimator).__name__ not in _TRANSLATIONS:
        raise _unknown(estimator)
    graph = Graph((estimator.n_features_in_,))
    return graph.content(_added(graph, estimator, graph.input), (len(estimator.classes_),))


#: Of trial values for networks that take any number of frames.
_FRAMES = 40


def trial_values(estimator: BaseEstimator, n_clips: int = 8, seed: int = 0) -> np.ndarray:
    """Return random features like those that a classifier was fitted on.

    Args:
        estimator: as for :func:`estimator_to_onnx`.
        n_clips: how many rows.
        seed: of the chance.

    Returns:
        float32, normally distributed, with the mean and deviation of each value
        that the estimator standardises by, else 0 and 1.
    """
    rng = np.random.default_rng(seed)
    if _is_keras(estimator):
        shape: tuple = tuple(size or _FRAMES for size in _keras_shape(estimator))
        mean, scale = estimator.mean_, estimator.scale_
    else:
        shape = (estimator.n_features_in_,)
        mean, scale = np.zeros(shape), np.ones(shape)
        _take_scaling(estimator, slice(None), mean, scale)
    return (rng.normal(size=(n_clips, *shape)) * scale + mean).astype(np.float32)


def _take_scaling(estimator, at: slice | np.ndarray, mean: np.ndarray, scale: np.ndarray) -> None:
    """Write what the columns ``at`` are standardised by into ``mean`` and ``scale``."""
    if type(estimator).__name__ in ("StandardScaler", "PartialLabelRegression"):
        mean[at], scale[at] = estimator.mean_, estimator.scale_
    for _, step in getattr(estimator, "steps", ()):
        if type(step).__name__ == "ColumnTransformer":
            at = _chosen(step)
        _take_scaling(step, at, mean, scale)
    for member in getattr(estimator, "estimators_", ()):
        _take_scaling(member, at, mean, scale)


def _is_keras(estimator) -> bool:
    return type(estimator).__name__ == "KerasClassifier"


def _unknown(estimator) -> NotExportable:
    kind = type(estimator).__name__
    return NotExportable(f"a {kind} cannot be exported; it is used by its own library")


def _added(graph: Graph, estimator, values: str) -> str:
    if type(estimator).__name__ not in _TRANSLATIONS:
        raise _unknown(estimator)
    return _TRANSLATIONS[type(estimator).__name__](graph, estimator, values)


def _refuse_unless(fits: bool, estimator, what: str) -> None:
    if not fits:
        raise NotExportable(f"a {type(estimator).__name__} with {what} cannot be exported")


def _pipeline(graph: Graph, pipeline, values: str) -> str:
    for _, step in pipeline.steps:
        values = _added(graph, step, values)
    return values


def _columns(graph: Graph, transformer, values: str) -> str:
    return graph.add("Gather", values, graph.axes(*_chosen(transformer)), axis=1)


def _chosen(transformer) -> np.ndarray:
    """Return which columns a transformer of one part passes on."""
    (part,) = transformer.transformers_[:1]
    rest = [step for _, step, _ in transformer.transformers_[1:]]
    passed = getattr(part[1], "func", part[1]) in (None, "passthrough")
    _refuse_unless(passed and set(rest) <= {"drop"}, transformer, "more than a choice of columns")
    return np.arange(transformer.n_features_in_)[part[2]]


def _scaler(graph: Graph, scaler, values: str) -> str:
    double = graph.add("Cast", values, to=TensorProto.DOUBLE)
    steps = []
    if scaler.with_mean:
        steps.append(("Sub", graph.constant(np.float64(scaler.mean_))))
    if scaler.with_std:
        steps.append(("Div", graph.constant(np.float64(scaler.scale_))))
    return graph.add("Cast", chain(graph, double, *steps), to=TensorProto.FLOAT)


def _linear(graph: Graph, values: str, weights: np.ndarray, bias: np.ndarray) -> str:
    arrays = (graph.constant(np.float32(array)) for array in (weights, bias))
    product = graph.add("MatMul", values, next(arrays))
    return graph.add("Add", product, next(arrays))


def _two_columns(graph: Graph, score: str) -> str:
    """Return the softmax of 0 and a score, the logistic function and its complement."""
    scores = graph.add("MatMul", score, graph.constant(np.array([[0, 1]], np.float32)))
    return graph.add("Softmax", scores, axis=1)


def _regression(graph: Graph, model, values: str) -> str:
    scores = _linear(graph, values, model.coef_.T, model.intercept_)
    if len(model.classes_) == 2:
        return _two_columns(graph, scores)
    return graph.add("Softmax", scores, axis=1)


def _partial_labels(graph: Graph, model, values: str) -> str:
    double = graph.add("Cast", values, to=TensorProto.DOUBLE)
    mean, scale = (graph.constant(np.float64(array)) for array in (model.mean_, model.scale_))
    limits = [graph.constant(np.float64(side * model.bound)) for side in (-1, 1)]
    scaled = chain(graph, double, ("Sub", mean), ("Div", scale), ("Clip", *limits))
    single = graph.add("Cast", scaled, to=TensorProto.FLOAT)
    return graph.add("Softmax", _linear(graph, single, model.coef_.T, model.intercept_), axis=1)


def _perceptron(graph: Graph, model, values: str) -> str:
    _refuse_unless(model.activation in _ACTIVATIONS, model, f"activation {model.activation}")
    layers = list(zip(model.coefs_, model.intercepts_, strict=True))
    for weights, bias in layers[:-1]:
        values = _linear(graph, values, weights, bias)
        values = graph.add(_ACTIVATIONS[model.activation], values)
    scores = _linear(graph, values, *layers[-1])
    if model.out_activation_ == "logistic":
        return _two_columns(graph, scores)
    return graph.add("Softmax", scores, axis=1)


_ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid"}


def _support_vectors(graph: Graph, machine, values: str) -> str:
    """Add the kernel, the margins, and :func:`estimators.pairwise_probabilities`."""
    _refuse_unless(machine.kernel == "rbf", machine, f"the kernel {machine.kernel}")
    vectors = machine.support_vectors_
    # |x - v|^2 = |x|^2 - 2 x v + |v|^2
    product = graph.add("MatMul", values, graph.constant(np.float32(-2 * vectors.T)))
    norm = graph.add("ReduceSum", graph.add("Mul", values, values), graph.axes(1))
    own = graph.constant(np.float32((vectors**2).sum(axis=1)))
    # What is left of 0 after rounding must not be negative.
    distance = chain(graph, product, ("Add", own), ("Add", norm), ("Max", graph.number(0.0)))
    kernel = chain(graph, distance, ("Mul", graph.number(-machine._gamma)), ("Exp",))
    margins = _linear(graph, kernel, _pair_weights(machine), machine._intercept_)
    lost = [graph.add("Softplus", side) for side in (graph.add("Neg", margins), margins)]
    pairs = list(itertools.combinations(range(len(machine.classes_)), 2))
    first, second = (np.zeros((len(pairs), len(machine.classes_)), np.float32) for _ in range(2))
    for row, (one, other) in enumerate(pairs):
        first[row, one] = second[row, other] = -1
    scores = [
        graph.add("MatMul", loss, graph.constant(matrix))
        for loss, matrix in zip(lost, (first, second), strict=True)
    ]
    return graph.add("Softmax", graph.add("Add", *scores), axis=1)


def _pair_weights(machine) -> np.ndarray:
    """Return what each support vector adds to the margin of each pair, ``(n_vectors, n_pairs)``.

    Of a vector's k-1 coefficients, that against class j is the j-th of those
    before its own class and the (j-1)-th of those behind (LIBSVM's order).
    """
    counts = machine.n_support_
    own = np.repeat(np.arange(len(counts)), counts)
    pairs = list(itertools.combinations(range(len(counts)), 2))
    weights = np.zeros((len(own), len(pairs)))
    for column, (one, other) in enumerate(pairs):
        weights[own == one, column] = machine._dual_coef_[other - 1, own == one]
        weights[own == other, column] = machine._dual_coef_[one, own == other]
    return weights


def _vote(graph: Graph, vote, values: str) -> str:
    members = [_added(graph, member, values) for member in vote.estimators_]
    given = getattr(vote, "weights", None)
    weights = np.ones(len(members)) if given is None else np.asarray(given, float)
    weights = weights / weights.sum()
    if getattr(vote, "pooling", "arithmetic") == "arithmetic":
        return _weighted_sum(graph, members, weights)
    from multimodal_ser.estimators.votes import _FLOOR

    logs = [chain(graph, member, ("Max", graph.number(_FLOOR)), ("Log",)) for member in members]
    return graph.add("Softmax", _weighted_sum(graph, logs, weights), axis=1)


def _weighted_sum(graph: Graph, members: list[str], weights: np.ndarray) -> str:
    terms = [
        graph.add("Mul", member, graph.number(weight))
        for member, weight in zip(members, weights, strict=True)
    ]
    total = terms[0]
    for term in terms[1:]:
        total = graph.add("Add", total, term)
    return total


def _keras_shape(classifier) -> tuple[int | None, ...]:
    """Return the shape of one clip's features."""
    shape = (classifier.frozen_ or classifier.network_).input_shape[1:]
    # Vectors reach the network with a last axis of 1, which is no feature's.
    return classifier.mean_.shape if _takes_vectors(classifier, shape) else shape


def _takes_vectors(classifier, shape: tuple) -> bool:
    return len(shape) == 2 and shape[-1] == 1 and classifier.mean_.size > 1


def _keras_classifier(classifier) -> bytes:
    from multimodal_ser.estimators.networks import load_keras
    from multimodal_ser.export.networks import network_to_onnx

    keras = load_keras()
    values = clips = keras.Input(_keras_shape(classifier))
    if classifier.mean_.any() or (classifier.scale_ != 1).any():
        values = (values - classifier.mean_) / classifier.scale_
    if classifier.components_ is not None:
        values = keras.ops.matmul(values, classifier.components_)
    networks = [n for n in (classifier.frozen_, classifier.network_) if n is not None]
    if _takes_vectors(classifier, networks[0].input_shape[1:]):
        values = keras.ops.expand_dims(values, -1)
    for network in networks:
        values = network(values)
    return network_to_onnx(keras.Model(clips, values))


_TRANSLATIONS = {
    "ColumnTransformer": _columns,
    "LogisticRegression": _regression,
    "MLPClassifier": _perceptron,
    "PairwiseSVC": _support_vectors,
    "PartialLabelRegression": _partial_labels,
    "Pipeline": _pipeline,
    "SoftVote": _vote,
    "StandardScaler": _scaler,
    "VotingClassifier": _vote,
}
