"""A logarithmic pool with a weight for each modality and label, and label biases.

``log p[k] = sum_m w_mk log p_m[k] + b_k + const``: what vector scaling (Guo et
al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2) is to
temperature scaling, this is to ``log_pool``. A modality may know one emotion
better than another. The penalty ``l2`` pulls towards ``log_pool``; unless given,
it is chosen on inner folds of the actors that are fitted on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from multimodal_ser.fusion.numeric import HeldOut, choose_strength, logs, vector_weights

FITTED = True
LOGARITHMIC = True
OPTIONS: dict = {"l2": None}
#: Candidates, weakest first; the unit is the log-loss of one clip.
STRENGTHS = (1.0, 10.0, 100.0, 1000.0)


def shapes(names: Sequence[str], n_labels: int, options: Mapping) -> dict[str, tuple[int, ...]]:
    """Return one weight a modality and label, one bias a label, and the penalty."""
    return {"weights": (len(names), n_labels), "bias": (n_labels,), "l2": ()}


def fit(held: HeldOut, names: Sequence[str], options: Mapping) -> dict[str, np.ndarray]:
    """Return weights and biases with the least penalised log-loss."""
    l2 = options["l2"] or choose_strength(held, STRENGTHS, _scores)
    weights, bias = vector_weights(logs(held.values), held.codes, l2)
    return {"weights": weights, "bias": bias, "l2": np.asarray(l2, float)}


def _scores(fit_on: HeldOut, test: HeldOut, l2: float) -> np.ndarray:
    weights, bias = vector_weights(logs(fit_on.values), fit_on.codes, l2)
    return np.einsum("mk,mnk->nk", weights, logs(test.values)) + bias


def evidence(
    values: np.ndarray, parameters: Mapping[str, np.ndarray], names: Sequence[str], options: Mapping
) -> np.ndarray:
    """Return the weighted log-probabilities, without the bias."""
    return parameters["weights"][:, None, :] * logs(values)
