"""Make confidence mean something: temperature scaling.

Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2.
A temperature, one number, divides the logarithms of the probabilities; it
leaves the order of the labels, and so every accuracy, as it was.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from multimodal_ser.fusion.numeric import log_loss, logs, normalise

#: Temperatures beyond these turn any answer into certainty or into a shrug.
LIMITS = (0.05, 20.0)


def soften(probabilities: pd.DataFrame, temperature: float) -> pd.DataFrame:
    """Divide the log-probabilities by a temperature and normalise again.

    Args:
        probabilities: a probability table; rows of NaN stay so.
        temperature: above 1 less sure, below 1 surer.

    Returns:
        A probability table of the same shape.

    Raises:
        ValueError: the temperature is not positive.

    Example:
        >>> soften(pd.DataFrame([[0.2, 0.8]]), 0.5).round(3).iloc[0].tolist()
        [0.059, 0.941]
    """
    if not temperature > 0:
        raise ValueError(f"the temperature is {temperature}; give a positive number")
    if temperature == 1.0:
        return probabilities
    scores = logs(probabilities.to_numpy(dtype=float)) / temperature
    return pd.DataFrame(normalise(scores), probabilities.index, probabilities.columns)


def fit_temperature(probabilities: pd.DataFrame, truth: pd.Series) -> float:
    """Return the temperature with the least negative log-likelihood.

    Args:
        probabilities: held-out probabilities: of clips that the model was not
            fitted on. Fitted on training clips, it would praise overfitting.
        truth: true labels indexed by clip.

    Returns:
        Within :data:`LIMITS`; 1 when no clip has probabilities.
    """
    from scipy.optimize import minimize_scalar

    terms, codes = _labelled(probabilities, truth)
    if not len(codes):
        return 1.0
    bounds = tuple(np.log(LIMITS))
    best = minimize_scalar(
        lambda power: log_loss(terms / np.exp(power), codes), bounds=bounds, method="bounded"
    )
    return float(np.exp(best.x))


def _labelled(probabilities: pd.DataFrame, truth: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return log-probabilities and true columns of the clips that have both."""
    given = probabilities.dropna(how="all")
    codes = given.columns.get_indexer(truth.reindex(given.index).astype(object))
    return logs(given.to_numpy(dtype=float)[codes >= 0]), codes[codes >= 0]
