"""The plain mean of the probabilities: nothing is fitted.

The linear opinion pool with equal weights (Stone, "The Opinion Pool", Annals of
Mathematical Statistics 32(4), 1961).
"""

from __future__ import annotations

import numpy as np

FITTED = False
LOGARITHMIC = False
OPTIONS: dict = {}


def shapes(names, n_labels, options) -> dict[str, tuple[int, ...]]:
    """Return that nothing is fitted."""
    return {}


def fit(held, names, options) -> dict[str, np.ndarray]:
    """Return no parameters."""
    return {}


def evidence(values, parameters, names, options) -> np.ndarray:
    """Return each modality's share of the mean."""
    return values / len(values)
