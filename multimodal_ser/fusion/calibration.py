"""Make confidence mean something: temperature scaling.

Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2.
A temperature, one number, divides the logarithms of the probabilities; it
leaves the order of the labels, and so every accuracy, as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multimodal_ser.errors import TableError
from multimodal_ser.fusion.numeric import INNER_FOLDS, log_loss, logs, normalise
from multimodal_ser.tables.probabilities import expected_calibration_error

#: Temperatures beyond these turn any answer into certainty or into a shrug.
LIMITS = (0.05, 20.0)


@dataclass(frozen=True)
class Kept:
    """A temperature, and what it was measured to do to speakers it was not fitted on.

    Attributes:
        temperature: 1 where no other one was better on held-out speakers, by more than
            one standard error over speakers.
        nll_before: negative log-likelihood in nats as the probabilities came.
        nll_after: with each speaker's clips softened by a temperature of other speakers;
            as before where the temperature was not kept.
        ece_before: expected calibration error, 0 to 1, 15 bins, as they came.
        ece_after: as ``nll_after``.
    """

    temperature: float
    nll_before: float
    nll_after: float
    ece_before: float
    ece_after: float


def soften(probabilities: pd.DataFrame, temperature: float | np.ndarray) -> pd.DataFrame:
    """Divide the log-probabilities by a temperature and normalise again.

    Args:
        probabilities: a probability table; rows of NaN stay so.
        temperature: above 1 less sure, below 1 surer; of all rows, or ``(n_clips,)``.

    Returns:
        A probability table of the same shape.

    Raises:
        ValueError: the temperature is not positive.

    Example:
        >>> soften(pd.DataFrame([[0.2, 0.8]]), 0.5).round(3).iloc[0].tolist()
        [0.059, 0.941]
    """
    if not np.all(np.asarray(temperature) > 0):
        raise ValueError(f"the temperature is {temperature}; give a positive number")
    if np.all(temperature == 1.0):
        return probabilities
    scores = logs(probabilities.to_numpy(dtype=float)) / np.reshape(temperature, (-1, 1))
    return pd.DataFrame(normalise(scores), probabilities.index, probabilities.columns)


def soften_together(
    probabilities: pd.DataFrame, temperature: float | np.ndarray, together: Sequence[str]
) -> pd.DataFrame:
    """Soften where some labels count as one, as they did where the temperature was fitted.

    The sum of their probabilities is softened as one label's, and their shares of it
    likewise, so that they together win or lose as before.

    Args:
        probabilities: as for :func:`soften`.
        temperature: as for :func:`soften`.
        together: labels; those that are no columns, or fewer than two, change nothing.

    Returns:
        A probability table of the same shape.

    Raises:
        ValueError: as for :func:`soften`.

    Example:
        >>> table = pd.DataFrame([[0.5, 0.02, 0.48]], columns=["neutral", "calm", "sad"])
        >>> soften_together(table, 4.0, ("neutral", "calm")).round(2).iloc[0].tolist()
        [0.35, 0.16, 0.49]
    """
    among = [label for label in together if label in probabilities]
    if len(among) < 2:
        return soften(probabilities, temperature)
    whole = probabilities[among].sum(axis=1, skipna=False).rename(among[0])
    shares = soften(probabilities[among].div(whole, axis=0).fillna(1 / len(among)), temperature)
    one = soften(probabilities.drop(columns=among).assign(**{among[0]: whole}), temperature)
    split = shares.mul(one[among[0]], axis=0)
    return pd.concat([one.drop(columns=among[0]), split], axis=1)[list(probabilities.columns)]


def fit_temperature(probabilities: pd.DataFrame, truth: pd.Series) -> float:
    """Return the temperature with the least negative log-likelihood.

    Args:
        probabilities: held-out probabilities: of clips that the model was not
            fitted on. Fitted on training clips, it would praise overfitting.
        truth: true labels indexed by clip.

    Returns:
        Within :data:`LIMITS`; 1 when no clip has probabilities.
    """
    _, terms, codes = _labelled(probabilities, truth)
    return _best(terms, codes)


def fit_kept_temperature(
    probabilities: pd.DataFrame,
    truth: pd.Series,
    groups: pd.Series,
    *,
    folds: int = INNER_FOLDS,
) -> Kept:
    """Return the temperature of all clips where one helps on speakers it was not fitted on.

    The speakers, sorted by name, are cut into consecutive folds (which in RAVDESS hold
    both sexes); each fold is softened by the temperature fitted on the others.

    Args:
        probabilities: held-out probabilities, as for :func:`fit_temperature`.
        truth: true labels indexed by clip; clips without one do not count.
        groups: speaker by clip, such as of ``tables.actor_groups``.
        folds: at least 2; at most as many as there are speakers are made.

    Returns:
        What is kept and the held-out figures, over all clips; the temperature is 1
        with fewer than two speakers, and the figures are NaN without a clip.

    Raises:
        ValueError: there are fewer than two folds.
        TableError: a clip has no speaker.

    Example:
        >>> sure = pd.DataFrame([[0.99, 0.01]] * 8, list("abcdefgh"), ["sad", "happy"])
        >>> truth = pd.Series(["sad", "sad", "sad", "happy"] * 2, sure.index)
        >>> kept = fit_kept_temperature(sure, truth, pd.Series(list("11112222"), sure.index))
        >>> round(kept.temperature, 2), round(kept.ece_before, 2), round(kept.ece_after, 2)
        (4.18, 0.24, 0.0)
    """
    if folds < 2:
        raise ValueError(f"folds is {folds}; give at least 2, to fit on one and measure on another")
    clips, terms, codes = _labelled(probabilities, truth)
    if not len(codes):
        return Kept(1.0, *[float("nan")] * 4)
    before = log_loss(terms, codes), expected_calibration_error(normalise(terms), codes)
    fold = _consecutive(groups.reindex(clips), folds)
    softened = np.empty_like(terms)
    for number in range(fold.max() + 1):
        out = fold == number
        softened[out] = terms[out] / _best(terms[~out], codes[~out])
    after = log_loss(softened, codes), expected_calibration_error(normalise(softened), codes)
    helps = _beyond_one_error(_losses(terms, codes) - _losses(softened, codes), groups[clips])
    after = after if helps else before
    temperature = _best(terms, codes) if helps else 1.0
    return Kept(temperature, before[0], after[0], before[1], after[1])


def _losses(terms: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return each clip's negative log-likelihood in nats."""
    return -np.log(normalise(terms)[np.arange(len(codes)), codes])


def _beyond_one_error(gains: np.ndarray, speakers: pd.Series) -> bool:
    """Tell whether the mean gain over speakers is above one standard error of it.

    Less is what chance makes of a temperature near 1; the one-standard-error rule is
    that of Breiman et al., "Classification and Regression Trees", 1984, section 3.4.3.
    """
    means = pd.Series(gains, speakers.index).groupby(speakers.to_numpy()).mean()
    return bool(means.mean() > means.std(ddof=1) / np.sqrt(len(means)))


def _best(terms: np.ndarray, codes: np.ndarray) -> float:
    from scipy.optimize import minimize_scalar

    if not len(codes):  # of one speaker nothing is left to fit on
        return 1.0
    bounds = tuple(np.log(LIMITS))
    best = minimize_scalar(
        lambda power: log_loss(terms / np.exp(power), codes), bounds=bounds, method="bounded"
    )
    return float(np.exp(best.x))


def _consecutive(speakers: pd.Series, n_folds: int) -> np.ndarray:
    unknown = speakers.index[speakers.isna()]
    if len(unknown):
        raise TableError(f"{unknown[0]!r} has no speaker among the groups; name one for each clip")
    names, owner = np.unique(speakers.to_numpy(dtype=str), return_inverse=True)
    return owner * min(n_folds, len(names)) // len(names)


def _labelled(
    probabilities: pd.DataFrame, truth: pd.Series
) -> tuple[pd.Index, np.ndarray, np.ndarray]:
    """Return the clips that have both, their log-probabilities and their true columns."""
    given = probabilities.dropna(how="all")
    labels = pd.Index(truth.reindex(given.index).astype(object))
    codes = given.columns.get_indexer(labels)
    kept = codes >= 0
    return given.index[kept], logs(given.to_numpy(dtype=float)[kept]), codes[kept]
