"""What scikit-learn's own classifiers lack here: votes, a choice of columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import VotingClassifier

from multimodal_ser.errors import SerError

#: Ways to make one probability of several.
POOLINGS = ("geometric", "arithmetic")
#: Keeps the logarithm of a probability of 0 finite.
_FLOOR = 1e-7


class Columns(TransformerMixin, BaseEstimator):
    """Some adjacent columns of the values, and no others.

    Args:
        start: the first, from 0.
        stop: the one behind the last.

    Example:
        >>> Columns(1, 3).fit_transform(np.arange(8).reshape(2, 4)).tolist()
        [[1, 2], [5, 6]]
    """

    def __init__(self, start: int = 0, stop: int | None = None) -> None:
        self.start = start
        self.stop = stop

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> Columns:
        """Check that the columns are there.

        Raises:
            SerError: there are fewer.
        """
        self.n_features_in_ = np.shape(X)[1]
        stop = self.n_features_in_ if self.stop is None else self.stop
        if not 0 <= self.start < stop <= self.n_features_in_:
            raise SerError(
                f"columns {self.start} to {stop} are wanted of {self.n_features_in_} values; "
                "choose the feature set that the classifier is made for, or its blocks"
            )
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return ``(n_clips, stop - start)``."""
        return np.asarray(X)[:, self.start : self.stop]


class SoftVote(VotingClassifier):
    """A soft vote by the geometric or the arithmetic mean.

    Args:
        estimators: ``(name, estimator)`` pairs.
        weights: one an estimator, or None for all alike.
        pooling: one of :data:`POOLINGS`.
    """

    def __init__(
        self,
        estimators: Sequence[tuple[str, BaseEstimator]],
        *,
        weights: Sequence[float] | None = None,
        pooling: str = "geometric",
    ) -> None:
        super().__init__(estimators, voting="soft", weights=weights)
        self.pooling = pooling

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return ``(n_clips, n_classes)``; rows sum to 1."""
        votes = [member.predict_proba(X) for member in self.estimators_]
        return pool(votes, self.weights, self.pooling)


def pool(
    votes: Sequence[np.ndarray],
    weights: Sequence[float] | None = None,
    pooling: str = "geometric",
) -> np.ndarray:
    """Return the mean of several classifiers' probabilities.

    Args:
        votes: one ``(n_clips, k)`` a classifier, rows summing to 1.
        weights: one a classifier, 0 or more, not all 0; None weighs all alike.
        pooling: ``geometric``, normalised, or ``arithmetic``.

    Returns:
        ``(n_clips, k)``; rows sum to 1.

    Raises:
        SerError: there is no such pooling.

    Example:
        >>> pool([np.array([[0.5, 0.5]]), np.array([[0.8, 0.2]])]).round(3).tolist()
        [[0.667, 0.333]]
    """
    if pooling not in POOLINGS:
        raise SerError(f"there is no pooling {pooling!r}; choose one of: {', '.join(POOLINGS)}")
    if pooling == "arithmetic":
        return np.average(votes, axis=0, weights=weights)
    logs = [np.log(np.maximum(vote, _FLOOR)) for vote in votes]
    mean = np.average(logs, axis=0, weights=weights)
    pooled = np.exp(mean - mean.max(axis=1, keepdims=True))
    return pooled / pooled.sum(axis=1, keepdims=True)
