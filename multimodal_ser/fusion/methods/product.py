"""The normalised product of the probabilities: nothing is fitted.

Bayes' rule for modalities that are independent given the emotion, under a flat
prior (Kittler et al., "On Combining Classifiers", IEEE TPAMI 20(3), 1998, eq. 7).
Modalities that share their errors, or that are too sure, make it too sure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from multimodal_ser.fusion.numeric import HeldOut, logs

FITTED = False
LOGARITHMIC = True
OPTIONS: dict = {}


def shapes(names: Sequence[str], n_labels: int, options: Mapping) -> dict[str, tuple[int, ...]]:
    """Return that nothing is fitted."""
    return {}


def fit(held: HeldOut, names: Sequence[str], options: Mapping) -> dict[str, np.ndarray]:
    """Return no parameters."""
    return {}


def evidence(
    values: np.ndarray, parameters: Mapping[str, np.ndarray], names: Sequence[str], options: Mapping
) -> np.ndarray:
    """Return the log-probabilities."""
    return logs(values)
