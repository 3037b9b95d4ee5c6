"""A temperature that rises with how far a clip is from what a model has learnt from.

One temperature for all clips (``fusion.calibration``) is fitted at home and says nothing
about other recordings, where networks are as sure as ever: Ovadia et al., "Can you trust
your model's uncertainty? Evaluating predictive uncertainty under dataset shift", NeurIPS
2019. Here it depends on signs of distance, and is fitted on held-out clips of known corpora
and of corpora left out alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from multimodal_ser.fusion.calibration import LIMITS
from multimodal_ser.fusion.numeric import logs, normalise

#: A clip is called strange that is beyond this share of held-out clips of known corpora.
KNOWN_SHARE = 0.99
#: No answer is divided by more. Without a bound far clips became too unsure: with 1.2, 1.3,
#: 1.5 and none the mean calibration error of three corpora, known and left out, was 10.8,
#: 10.7, 10.7 and 10.9 points; the least was taken after TESS had been seen (docs/results.md).
MOST = 1.2


@dataclass(frozen=True)
class Strangeness:
    """The temperature as a function of signs.

    It is the distance ``exp(bias + weights @ z)``, at most ``most``, where ``z`` is the
    logarithm of each sign, standardised.

    Attributes:
        centre: mean of the signs' logarithms over the clips of the fit.
        spread: their deviations, above 0.
        weights: 0 or more each: no clip gains confidence by being far away.
        bias: the logarithm of the temperature at the centre.
        limit: the distance beyond which a clip is called strange.
        most: the highest temperature.

    Example:
        >>> found = Strangeness((0.0,), (1.0,), (0.5,), 0.0, 1.5)
        >>> found.distances(np.array([[1.0], [np.e]])).round(2).tolist()
        [1.0, 1.65]
        >>> found.temperatures(np.array([[1.0], [np.e]])).round(2).tolist()
        [1.0, 1.2]
        >>> found.strange(np.array([[1.0], [np.e]])).tolist()
        [False, True]
    """

    centre: tuple[float, ...]
    spread: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    limit: float
    most: float = MOST

    def temperatures(self, signs: np.ndarray) -> np.ndarray:
        """Return the temperature of each clip, see :meth:`distances`."""
        return np.minimum(self.distances(signs), self.most)

    def distances(self, signs: np.ndarray) -> np.ndarray:
        """Return the distance of each clip, as the temperature that it would have unbounded.

        Args:
            signs: ``(n_clips, n_signs)``, above 0; NaN where nothing was measured.

        Returns:
            float64 ``(n_clips,)`` within ``LIMITS``; that of the centre for NaN.
        """
        scores = (np.log(np.asarray(signs, float)) - self.centre) / self.spread
        return np.clip(np.exp(self.bias + np.nan_to_num(scores) @ self.weights), *LIMITS)

    def strange(self, signs: np.ndarray) -> np.ndarray:
        """Tell which clips are beyond nearly all that are known; bool ``(n_clips,)``."""
        return self.distances(signs) > self.limit


def fit(
    answers: pd.DataFrame, truth: pd.Series, signs: pd.DataFrame, groups: pd.Series, home: pd.Series
) -> Strangeness:
    """Return the temperatures with the least negative log-likelihood.

    Args:
        answers: probability table of clips that nothing behind it was fitted on.
        truth: true labels by clip.
        signs: by clip, above 0, against what was learnt for that answer.
        groups: by clip; each group, such as a corpus held out in one way, weighs the same.
        home: by clip, whether its corpus was learnt from: the limit is set by these.

    Example:
        >>> clips = [f"c{k}" for k in range(8)]
        >>> table = pd.DataFrame([[0.9, 0.1]] * 8, clips, ["sad", "happy"])
        >>> truth = pd.Series(["sad"] * 4 + ["sad", "happy"] * 2, clips)
        >>> far = pd.Series([False] * 4 + [True] * 4, clips)
        >>> found = fit(table, truth, pd.DataFrame({"distance": 1.0 + far}), far, ~far)
        >>> [t > 1 for t in found.temperatures(np.array([[1.0], [2.0]])).tolist()]
        [False, True]
    """
    from scipy.optimize import minimize

    clips = answers.dropna(how="all").index
    terms = logs(answers.loc[clips].to_numpy(float))
    codes = answers.columns.get_indexer(pd.Index(truth[clips].astype(object)))
    values = np.log(signs.loc[clips].to_numpy(float))
    centre, spread = values.mean(axis=0), values.std(axis=0)
    spread = np.where(spread > 0, spread, 1)
    scores = (values - centre) / spread
    owners = groups[clips].astype(str)
    share = 1 / owners.map(owners.value_counts()).to_numpy(float)
    rows = np.arange(len(codes))

    def loss(given: np.ndarray) -> float:
        powers = np.exp(np.clip(given[0] + scores @ given[1:], *np.log(LIMITS)))
        said = normalise(terms / powers[:, None])[rows, codes]
        return -float(share @ np.log(np.maximum(said, 1e-12)) / share.sum())

    bounds = [(-3, 3)] + [(0, 3)] * scores.shape[1]
    found = minimize(loss, np.zeros(len(bounds)), method="L-BFGS-B", bounds=bounds).x
    plain = Strangeness(_floats(centre), _floats(spread), _floats(found[1:]), float(found[0]), 0.0)
    known = plain.distances(signs.loc[clips][home[clips].to_numpy(bool)].to_numpy(float))
    limit = float(np.quantile(known, KNOWN_SHARE)) if len(known) else LIMITS[1]
    return Strangeness(plain.centre, plain.spread, plain.weights, plain.bias, limit)


def _floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
