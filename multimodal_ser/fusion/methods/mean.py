"""The plain mean of the probabilities: nothing is fitted.

The linear opinion pool with equal weights (Stone, "The Opinion Pool", Annals of
Mathematical Statistics 32(4), 1961).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from multimodal_ser.fusion.numeric import HeldOut

FITTED = False
LOGARITHMIC = False
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
    """Return each modality's share of the mean."""
    return values / len(values)
