"""The weighted logarithmic pool: ``log p = sum_m w_m log p_m + const``.

Genest and Zidek, "Combining Probability Distributions", Statistical Science
1(1), 1986, section 3. The weights have the least log-loss on held-out
predictions and need not sum to 1, so that they calibrate as well as combine:
for one modality the pool is temperature scaling, ``w = 1 / T``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from multimodal_ser.fusion.numeric import HeldOut, logs, pool_weights

FITTED = True
LOGARITHMIC = True
OPTIONS: dict = {}


def shapes(names: Sequence[str], n_labels: int, options: Mapping) -> dict[str, tuple[int, ...]]:
    """Return one weight a modality."""
    return {"weights": (len(names),)}


def fit(held: HeldOut, names: Sequence[str], options: Mapping) -> dict[str, np.ndarray]:
    """Return the weights with the least log-loss."""
    return {"weights": pool_weights(logs(held.values), held.codes)}


def evidence(
    values: np.ndarray, parameters: Mapping[str, np.ndarray], names: Sequence[str], options: Mapping
) -> np.ndarray:
    """Return the weighted log-probabilities."""
    return parameters["weights"][:, None, None] * logs(values)
