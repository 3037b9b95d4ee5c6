"""How well numbers are predicted: concordance and correlation, with intervals over speakers.

Conventions: truth and prediction are aligned arrays of one number per clip. Where either has no
variance, nothing can agree: the value is 0 for the concordance and NaN for the correlation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from multimodal_ser.evaluation.significance import MIN_ACTORS


def concordance(truth: np.ndarray, said: np.ndarray) -> float:
    """Return the concordance correlation coefficient (CCC).

    L. Lin, "A concordance correlation coefficient to evaluate reproducibility", Biometrics 45(1),
    1989, with variances over n: 1 for the same numbers, less where they are shifted or scaled.

    Args:
        truth: ``(n,)``.
        said: ``(n,)``.

    Returns:
        -1 to 1.

    Example:
        >>> concordance(np.array([1.0, 2, 3]), np.array([1.0, 2, 3]))
        1.0
        >>> round(concordance(np.array([1.0, 2, 3]), np.array([2.0, 3, 4])), 3)
        0.571
    """
    truth, said = np.asarray(truth, float), np.asarray(said, float)
    both = np.mean((truth - truth.mean()) * (said - said.mean()))
    scale = truth.var() + said.var() + (truth.mean() - said.mean()) ** 2
    return float(2 * both / scale) if scale > 0 else 0.0


def correlation(truth: np.ndarray, said: np.ndarray) -> float:
    """Return Pearson's correlation, -1 to 1.

    Example:
        >>> round(correlation(np.array([1.0, 2, 3]), np.array([10.0, 20, 30])), 6)
        1.0
    """
    truth, said = np.asarray(truth, float), np.asarray(said, float)
    if len(truth) < 2 or not truth.std() or not said.std():
        return float("nan")
    return float(np.corrcoef(truth, said)[0, 1])


METRICS: Mapping[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "ccc": concordance,
    "pearson": correlation,
}


def score(
    truth: pd.Series, said: pd.Series, actors: pd.Series, *, n_draws: int = 1000, seed: int = 0
) -> dict[str, float]:
    """Return how well numbers are predicted, with 95 % intervals by a bootstrap over actors.

    Args:
        truth: by clip.
        said: by clip, of the same clips.
        actors: by clip, such as of ``tables.actor_groups``.
        n_draws: draws of the cluster bootstrap (``significance.bootstrap_interval``).
        seed: of the draws.

    Returns:
        ``ccc`` and ``pearson``, each with ``_low`` and ``_high``, which are NaN for fewer than
        three actors; ``n`` clips.
    """
    said, actors = said.loc[truth.index], actors.loc[truth.index]
    places = [np.flatnonzero(actors == actor) for actor in sorted(set(actors))]
    rng = np.random.default_rng(seed)
    draws = [rng.integers(len(places), size=len(places)) for _ in range(n_draws)]
    result: dict[str, float] = {"n": len(truth)}
    values = truth.to_numpy(float), said.to_numpy(float)
    for name, metric in METRICS.items():
        low, high = np.nan, np.nan
        if len(places) >= MIN_ACTORS:
            drawn = (np.concatenate([places[at] for at in draw]) for draw in draws)
            found = [metric(*(part[rows] for part in values)) for rows in drawn]
            low, high = np.nanquantile(found, [0.025, 0.975])
        result |= {name: metric(*values), f"{name}_low": float(low), f"{name}_high": float(high)}
    return result
