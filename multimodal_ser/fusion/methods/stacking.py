"""Stacking: multinomial logistic regression on the log-probabilities.

Wolpert, "Stacked Generalization", Neural Networks 5(2), 1992; on
log-probabilities, so that a logarithmic pool is among what it can learn. Every
label of every modality may speak for every label: the most that a linear
method can learn from confusions, and the most that it can overfit. The penalty
``l2`` (scikit-learn's ``1 / C``) is chosen on inner folds of actors unless given.

A label that no fitted clip has cannot be learnt: its score is that of the least
likely learnt label at even evidence, lowered by the floor, so it is never
predicted and never quite impossible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from multimodal_ser.fusion.numeric import FLOOR, HeldOut, choose_strength, logs

FITTED = True
LOGARITHMIC = True
OPTIONS: dict = {"l2": None}
#: Candidates, weakest first; the unit is twice the log-loss of one clip.
STRENGTHS = (10.0, 30.0, 100.0, 300.0, 1000.0)


def shapes(names: Sequence[str], n_labels: int, options: Mapping) -> dict[str, tuple[int, ...]]:
    """Return a matrix a modality (label said, label meant), biases, and the penalty."""
    return {"weights": (len(names), n_labels, n_labels), "bias": (n_labels,), "l2": ()}


def fit(held: HeldOut, names: Sequence[str], options: Mapping) -> dict[str, np.ndarray]:
    """Return matrices and biases with the least penalised log-loss."""
    l2 = options["l2"] or choose_strength(held, STRENGTHS, _scores)
    weights, bias = _regression(held, l2)
    return {"weights": weights, "bias": bias, "l2": np.asarray(l2, float)}


def _regression(held: HeldOut, l2: float) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.linear_model import LogisticRegression

    count, n_clips, width = held.values.shape
    inputs = logs(held.values).transpose(1, 0, 2).reshape(n_clips, -1)
    model = LogisticRegression(C=1 / l2, solver="newton-cholesky").fit(inputs, held.codes)
    rows, offsets = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # scikit-learn then keeps one row: the log-odds
        rows, offsets = np.stack([-rows[0], rows[0]]) / 2, np.array([-1, 1]) * offsets[0] / 2
    weights = np.zeros((width, inputs.shape[1]))
    weights[:] = rows.mean(axis=0)
    bias = np.full(width, offsets.min() + np.log(FLOOR))
    weights[model.classes_], bias[model.classes_] = rows, offsets
    return weights.reshape(width, count, width).transpose(1, 2, 0), bias


def _scores(fit_on: HeldOut, test: HeldOut, l2: float) -> np.ndarray:
    weights, bias = _regression(fit_on, l2)
    return np.einsum("mnj,mjk->nk", logs(test.values), weights) + bias


def evidence(
    values: np.ndarray, parameters: Mapping[str, np.ndarray], names: Sequence[str], options: Mapping
) -> np.ndarray:
    """Return what each modality's log-probabilities say for each label, without the bias."""
    return np.einsum("mnj,mjk->mnk", logs(values), parameters["weights"])
