"""Sets of labels that hold the true one with a stated probability, for actors never met.

Split conformal prediction with the score of Sadinle, Lei & Wasserman, "Least ambiguous
set-valued classifiers with bounded error levels", JASA 114(525), 2019: one minus the
probability of the true label. Clips of an actor are alike, so it is actors that are
exchangeable and not clips: each weighs the same, and one more, who is still to come, counts
as beyond every score. That is hierarchical conformal prediction (Lee, Barber & Willett,
"Distribution-free inference with hierarchical data", arXiv:2306.06342, 2023; compare Dunn,
Wasserman & Ramdas, "Distribution-free prediction sets for two-layer hierarchical models",
JASA 118(544), 2023): a clip of a new actor is covered at least as often as stated, on average
over actors, whatever the model, where recordings come from where the calibration clips do.
Few actors cost: with ``n`` of them, coverage above ``n / (n + 1)`` takes every label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multimodal_ser.errors import SerError

#: Coverages for which thresholds are kept with a model.
COVERAGES = tuple(round(0.5 + 0.01 * step, 2) for step in range(50))
#: Joins the labels of a set.
SEPARATOR = "|"
#: How far a score may be above the threshold by rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class PredictionSets:
    """The thresholds of a model's answers.

    Attributes:
        coverages: ascending, each above 0 and below 1.
        thresholds: ``audio``, ``video`` or ``fused`` -> the largest score of a label in the
            set for each coverage, 0 to 1; 1 takes every label.
    """

    coverages: tuple[float, ...]
    thresholds: Mapping[str, tuple[float, ...]]

    def threshold(self, answer: str, coverage: float) -> float:
        """Return the largest score of a label in an answer's sets.

        Args:
            answer: ``audio``, ``video`` or ``fused``; where it was not calibrated, every
                label is in its sets.
            coverage: between the least and the largest of :attr:`coverages`; between two
                of them the larger counts.

        Raises:
            SerError: the coverage is out of range.

        Example:
            >>> PredictionSets((0.5, 0.9), {"audio": (0.2, 0.7)}).threshold("audio", 0.8)
            0.7
        """
        if not self.coverages[0] <= coverage <= self.coverages[-1]:
            raise SerError(
                f"prediction sets of coverage {coverage} are not kept with the model; "
                f"ask for {self.coverages[0]} to {self.coverages[-1]}"
            )
        at = int(np.searchsorted(self.coverages, coverage - _ROUNDING))
        return self.thresholds[answer][at] if answer in self.thresholds else 1.0


def fit(
    answers: Mapping[str, pd.DataFrame], truth: pd.Series, actors: pd.Series
) -> PredictionSets | None:
    """Return the thresholds of answers, for :data:`COVERAGES`.

    Args:
        answers: name -> probability table of clips that neither the model nor its
            calibration was fitted on; rows of NaN do not count.
        truth: true labels indexed by clip.
        actors: actor by clip, such as of ``tables.actor_groups``.

    Returns:
        None where no answer has a labelled clip.

    Example:
        >>> sure = pd.DataFrame([[0.9, 0.1]] * 9, list("abcdefghi"), ["sad", "happy"])
        >>> truth = pd.Series("sad", sure.index)
        >>> found = fit({"audio": sure}, truth, pd.Series(sure.index, sure.index))
        >>> round(found.threshold("audio", 0.9), 3), found.threshold("audio", 0.95)
        (0.1, 1.0)
    """
    thresholds = {}
    for name, table in answers.items():
        scores = true_scores(table, truth)
        if len(scores):
            thresholds[name] = tuple(quantiles(scores, actors.reindex(scores.index)))
    return PredictionSets(COVERAGES, thresholds) if thresholds else None


def true_scores(probabilities: pd.DataFrame, truth: pd.Series) -> pd.Series:
    """Return one minus the probability of each clip's true label, where both are known.

    Example:
        >>> table = pd.DataFrame([[0.75, 0.25]], ["a"], ["sad", "happy"])
        >>> true_scores(table, pd.Series({"a": "happy"})).tolist()
        [0.75]
    """
    given = probabilities.dropna(how="all")
    codes = given.columns.get_indexer(pd.Index(truth.reindex(given.index).astype(object)))
    kept = codes >= 0
    values = given.to_numpy(dtype=float)[kept, codes[kept]]
    return pd.Series(1 - values, given.index[kept])


def quantiles(
    scores: pd.Series, actors: pd.Series, coverages: tuple[float, ...] = COVERAGES
) -> list[float]:
    """Return the scores below which each share of the mass lies, each actor having the same.

    Args:
        scores: 0 to 1, by clip; at least one.
        actors: by clip.
        coverages: shares, between 0 and 1.

    Returns:
        A threshold per share, 0 to 1, not falling; 1 where the actor to come has the rest
        of the mass.

    Example:
        >>> scores = pd.Series([0.1, 0.2, 0.3, 0.4])
        >>> quantiles(scores, pd.Series(list("abcc")), (0.25, 0.5, 0.7, 0.8))
        [0.1, 0.2, 0.4, 1.0]
    """
    names, owner, count = np.unique(
        actors.to_numpy(dtype=str), return_inverse=True, return_counts=True
    )
    order = np.argsort(scores.to_numpy(), kind="stable")
    mass = np.cumsum(1 / ((len(names) + 1) * count[owner[order]]))
    # Beyond the last score lies the actor to come.
    values = np.append(scores.to_numpy(dtype=float)[order], 1.0)
    return [float(values[np.searchsorted(mass, share - _ROUNDING)]) for share in coverages]


def members(probabilities: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Tell which labels are in each clip's set; the most probable one always is.

    Args:
        probabilities: a probability table.
        threshold: of :meth:`PredictionSets.threshold`.

    Returns:
        Booleans of the same shape; none are true in rows of NaN.

    Example:
        >>> table = pd.DataFrame([[0.6, 0.3, 0.1]], ["a"], ["sad", "calm", "happy"])
        >>> members(table, 0.7).loc["a"].tolist(), members(table, 0.2).loc["a"].tolist()
        ([True, True, False], [True, False, False])
    """
    values = probabilities.to_numpy(dtype=float)
    found = 1 - values <= threshold + _ROUNDING
    there = ~np.isnan(values).any(axis=1)
    found[there, np.nan_to_num(values[there]).argmax(axis=1)] = True
    return pd.DataFrame(found, probabilities.index, probabilities.columns)


def as_text(probabilities: pd.DataFrame, chosen: pd.DataFrame) -> pd.Series:
    """Return each clip's set as its labels joined by ``|``, the most probable first.

    Example:
        >>> table = pd.DataFrame([[0.2, 0.8]], ["a"], ["sad", "happy"])
        >>> as_text(table, members(table, 1.0)).tolist()
        ['happy|sad']
    """
    labels = np.asarray(probabilities.columns, dtype=object)
    order = np.argsort(-probabilities.to_numpy(dtype=float), axis=1, kind="stable")
    rows = zip(order, chosen.to_numpy(), strict=True)
    said = [SEPARATOR.join(labels[row][found[row]]) for row, found in rows]
    return pd.Series(said, probabilities.index, dtype=object)


def measure(chosen: pd.DataFrame, truth: pd.Series, actors: pd.Series) -> dict[str, float]:
    """Return how often sets hold the true label, and how many labels they have.

    Args:
        chosen: of :func:`members`; clips without an answer do not count.
        truth: true labels indexed by clip.
        actors: actor by clip.

    Returns:
        ``coverage``, 0 to 1, and ``size``: means over actors of the means over their clips;
        NaN without a clip.

    Example:
        >>> table = pd.DataFrame([[0.2, 0.8]], ["a"], ["sad", "happy"])
        >>> measure(members(table, 0.5), pd.Series({"a": "sad"}), pd.Series({"a": "x"}))
        {'coverage': 0.0, 'size': 1.0}
    """
    given = chosen[chosen.any(axis=1)]
    codes = given.columns.get_indexer(pd.Index(truth.reindex(given.index).astype(object)))
    given, codes = given[codes >= 0], codes[codes >= 0]
    values = given.to_numpy()
    found = pd.DataFrame(
        {"coverage": values[np.arange(len(codes)), codes], "size": values.sum(axis=1)}, given.index
    )
    means = found.astype(float).groupby(actors.reindex(given.index).to_numpy(dtype=str)).mean()
    return {name: float(means[name].mean()) for name in ("coverage", "size")}
