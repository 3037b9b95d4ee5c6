"""Gradient-boosted trees by scikit-learn, as in the gendered MLP's source (``gendered_mlp``).

The source names the model and its feature-importance rankings, not its
parameters: 100 trees of depth 3 at a rate of 0.1 are scikit-learn's defaults.
A split looks at the square root of the number of values, which on 1,150 clips
of 70 values takes an eighth of the time of looking at all; ``max_features=None``
is scikit-learn's own default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

INPUT = "vector"
SEARCH = {
    "n_estimators": [50, 100, 200, 400],
    "learning_rate": [0.03, 0.1, 0.2],
    "max_depth": [2, 3, 5],
    "subsample": [0.5, 0.8, 1.0],
    "max_features": ["sqrt", "log2"],
}


def build(
    *,
    seed: int = 0,
    n_estimators: int = 100,
    learning_rate: float = 0.1,
    max_depth: int = 3,
    subsample: float = 1.0,
    max_features: str | None = "sqrt",
) -> BaseEstimator:
    """Return the unfitted estimator; parameters are scikit-learn's own.

    Example:
        >>> build(n_estimators=10).n_estimators
        10
    """
    from sklearn.ensemble import GradientBoostingClassifier

    return GradientBoostingClassifier(
        n_estimators=n_estimators,
        learning_rate=learning_rate,
        max_depth=max_depth,
        subsample=subsample,
        max_features=max_features,
        random_state=seed,
    )
