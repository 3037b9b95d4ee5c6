"""What scikit-learn's own classifiers lack here: votes by the geometric mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingClassifier
from sklearn.utils.validation import check_is_fitted

from multimodal_ser.errors import SerError

#: Ways to make one probability of several.
POOLINGS = ("geometric", "arithmetic")
#: Keeps the logarithm of a probability of 0 finite.
_FLOOR = 1e-7


class Columns(ColumnTransformer):
    """What adjacent columns were called in files of models that were saved earlier.

    Reading one gives the ``ColumnTransformer`` that scikit-learn has for it.
    """

    def __setstate__(self, state: Mapping) -> None:
        """Become the transformer of the columns ``start`` to ``stop`` of the file."""
        self.__class__ = ColumnTransformer
        columns = slice(state["start"], state["stop"])
        # It is one by now: what unpickling leaves to the class is done by its own.
        ColumnTransformer.__init__(self, [("columns", "passthrough", columns)])
        if "n_features_in_" in state:  # a vote holds its members unfitted too
            self.fit(np.zeros((1, state["n_features_in_"])))


class SoftVote(VotingClassifier):
    """A soft vote by the geometric or the arithmetic mean.

    Args:
        estimators: ``(name, estimator)`` pairs.
        weights: one per estimator, or None for all alike.
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
        check_is_fitted(self)
        votes = [member.predict_proba(X) for member in self.estimators_]
        return pool(votes, self.weights, self.pooling)


def pool(
    votes: Sequence[np.ndarray],
    weights: Sequence[float] | None = None,
    pooling: str = "geometric",
) -> np.ndarray:
    """Return the mean of several classifiers' probabilities.

    Args:
        votes: one ``(n_clips, k)`` per classifier, rows summing to 1.
        weights: one per classifier, 0 or more, not all 0; None weighs all alike.
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
