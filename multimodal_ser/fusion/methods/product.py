"""The normalised product of the probabilities: nothing is fitted.

Bayes' rule for modalities that are independent given the emotion, under a flat
prior (Kittler et al., "On Combining Classifiers", IEEE TPAMI 20(3), 1998, eq. 7).
Modalities that share their errors, or that are too sure, make it too sure.
"""

from __future__ import annotations

import numpy as np

from multimodal_ser.fusion.numeric import logs

FITTED = False
LOGARITHMIC = True
OPTIONS: dict = {}


def shapes(names, n_labels, options) -> dict[str, tuple[int, ...]]:
    """Return that nothing is fitted."""
    return {}


def fit(held, names, options) -> dict[str, np.ndarray]:
    """Return no parameters."""
    return {}


def evidence(values, parameters, names, options) -> np.ndarray:
    """Return the log-probabilities."""
    return logs(values)
