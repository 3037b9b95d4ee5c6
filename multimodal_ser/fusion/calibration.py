"""Make confidence mean something: temperature scaling and vector scaling.

Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2.
A temperature, one number, divides the logarithms of the probabilities; it
leaves the order of the labels, and so every accuracy, as it was. Vector scaling
has a factor and a bias for each label, and may change what is predicted.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from multimodal_ser.errors import TableError
from multimodal_ser.fusion.numeric import log_loss, logs, normalise, vector_weights

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


def rescale(probabilities: pd.DataFrame, factors: pd.Series, bias: pd.Series) -> pd.DataFrame:
    """Multiply the log-probabilities label by label, add a bias, and normalise again.

    Args:
        probabilities: a probability table; rows of NaN stay so.
        factors: label -> factor; 1 / temperature where all are alike.
        bias: label -> bias in nats.

    Returns:
        A probability table of the same shape.

    Raises:
        TableError: the labels of factors or bias are not the table's.

    Example:
        >>> table = pd.DataFrame([[0.5, 0.5]], ["a"], ["sad", "happy"])
        >>> one, bias = pd.Series({"sad": 1, "happy": 1}), pd.Series({"sad": np.log(3), "happy": 0})
        >>> rescale(table, one, bias).loc["a"].round(2).tolist()
        [0.75, 0.25]
    """
    for what, values in (("factors", factors), ("bias", bias)):
        if set(values.index) != set(probabilities.columns) or not np.isfinite(values).all():
            raise TableError(
                f"the {what} are for {', '.join(map(str, values.index))}; give one finite number "
                f"for each of {', '.join(map(str, probabilities.columns))}"
            )
    factors, bias = (values[probabilities.columns].to_numpy(float) for values in (factors, bias))
    scores = logs(probabilities.to_numpy(dtype=float)) * factors + bias
    return pd.DataFrame(normalise(scores), probabilities.index, probabilities.columns)


def fit_vector(
    probabilities: pd.DataFrame, truth: pd.Series, *, l2: float = 10.0
) -> tuple[pd.Series, pd.Series]:
    """Return the factors and biases with the least penalised log-likelihood.

    Args:
        probabilities: held-out probabilities, as for :func:`fit_temperature`.
        truth: true labels indexed by clip; clips without one do not count.
        l2: strength of the penalty on biases and on how far the factors are
            from their common one, in units of one clip's log-loss. A strong
            one leads to temperature scaling.

    Returns:
        Factors and biases by label, for :func:`rescale`; all 1 and all 0 when
        no clip has probabilities. A label that never occurs in the truth gets
        a bias as low as the penalty lets it be.

    Raises:
        ValueError: the penalty is not positive.
    """
    if not l2 > 0:
        raise ValueError(f"the penalty l2 is {l2}; give a positive number")
    labels = probabilities.columns
    terms, codes = _labelled(probabilities, truth)
    factors, bias = np.ones((1, len(labels))), np.zeros(len(labels))
    if len(codes):
        factors, bias = vector_weights(terms[None], codes, l2)
    return pd.Series(factors[0], index=labels), pd.Series(bias, index=labels)


def _labelled(probabilities: pd.DataFrame, truth: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return log-probabilities and true columns of the clips that have both."""
    given = probabilities.dropna(how="all")
    codes = given.columns.get_indexer(truth.reindex(given.index).astype(object))
    return logs(given.to_numpy(dtype=float)[codes >= 0]), codes[codes >= 0]
