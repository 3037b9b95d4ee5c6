"""Make confidence mean something: temperature scaling.

Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2:
one number divides the logarithms of the probabilities. It leaves the order of
the labels, and so every accuracy, as it was.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

_FLOOR = 1e-7
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
    logs = np.log(probabilities.clip(lower=_FLOOR)) / temperature
    values = np.exp(logs.sub(logs.max(axis=1), axis=0))
    return values.div(values.sum(axis=1), axis=0)


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

    given = probabilities.dropna(how="all")
    given = given[truth.reindex(given.index).astype(object).isin(given.columns).to_numpy()]
    if given.empty:
        return 1.0
    codes = given.columns.get_indexer(truth.reindex(given.index).astype(object))
    logs = np.log(given.clip(lower=_FLOOR).to_numpy())

    def loss(log_temperature: float) -> float:
        scaled = logs / np.exp(log_temperature)
        peak = scaled.max(axis=1, keepdims=True)
        norm = peak[:, 0] + np.log(np.exp(scaled - peak).sum(axis=1))
        return float((norm - scaled[np.arange(len(codes)), codes]).mean())

    best = minimize_scalar(loss, bounds=tuple(np.log(LIMITS)), method="bounded")
    return float(np.exp(best.x))
