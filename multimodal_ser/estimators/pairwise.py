"""Support vectors with probabilities made of their margins, which scikit-learn lacks.

Its own ``probability=True`` calibrates on a random split, with a speaker on
both sides.
"""

from __future__ import annotations

import itertools

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC


class PairwiseSVC(SVC):
    """A support vector classifier with probabilities made of its margins.

    Needs ``decision_function_shape="ovo"``; see
    :func:`pairwise_probabilities`.
    """

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return ``(n_clips, n_classes)``; rows sum to 1."""
        return pairwise_probabilities(self, X)


def pairwise_probabilities(estimator: SVC | Pipeline, values: np.ndarray) -> np.ndarray:
    """Return probabilities made of the margins between each two classes.

    A class's score is the sum of the logarithms of the logistic functions of
    its margins against each other class, the Bradley-Terry likelihood of
    winning every pair. They are not calibrated.

    Args:
        estimator: from :func:`support_vectors`, fitted on classes 0 to k-1.
        values: ``(n_clips, n_values)``.

    Returns:
        ``(n_clips, k)``; rows sum to 1.
    """
    margins = estimator.decision_function(values)
    n_classes = len(estimator.classes_)
    if n_classes == 2:
        # With two classes scikit-learn turns the sign: positive is the second.
        margins = -margins[:, None]
    scores = np.zeros((len(margins), n_classes))
    for column, (one, other) in enumerate(itertools.combinations(range(n_classes), 2)):
        margin = margins[:, column]
        scores[:, one] -= np.logaddexp(0, -margin)
        scores[:, other] -= np.logaddexp(0, margin)
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)
