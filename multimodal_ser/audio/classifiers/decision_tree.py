"""One decision tree, as in ``soft_voting``: the baseline of the forests.

The source states no parameters; a depth of 10 and 5 clips a leaf keep the tree
from learning its training clips by heart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

INPUT = "vector"
SEARCH = {
    "criterion": ["gini", "entropy"],
    "max_depth": [3, 5, 8, 10, 15, 20, None],
    "min_samples_leaf": [1, 2, 5, 10, 20],
    "max_features": [None, "sqrt", "log2"],
}


def build(
    *,
    seed: int = 0,
    criterion: str = "gini",
    max_depth: int | None = 10,
    min_samples_leaf: int = 5,
    max_features: str | None = None,
) -> BaseEstimator:
    """Return the unfitted estimator; parameters are scikit-learn's own.

    Example:
        >>> build(max_depth=3).max_depth
        3
    """
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(
        criterion=criterion,
        max_depth=max_depth,
        min_samples_leaf=min_samples_leaf,
        max_features=max_features,
        random_state=seed,
    )
