"""Random forest, as in AEI 2019 (``aei_2019``).

AEI 2019 searched around: bootstrap off, depth 5 to 10, log2 of the features a
split, about 2000 trees. The defaults are the middle of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

INPUT = "vector"
#: The randomised search of AEI 2019, 50 draws.
SEARCH = {
    "n_estimators": [200, 400, 800, 1200, 1600, 2000],
    "max_depth": [5, 7, 10, 15, 20, None],
    "max_features": ["sqrt", "log2"],
    "min_samples_split": [2, 5, 10],
    "min_samples_leaf": [1, 2, 4],
    "bootstrap": [True, False],
}
#: The grid that follows it, around the best that AEI 2019 found.
GRID = {
    "n_estimators": [1500, 2000],
    "max_depth": [5, 8, 10],
    "max_features": ["log2"],
    "bootstrap": [False],
}


def build(
    *,
    seed: int = 0,
    n_estimators: int = 2000,
    max_depth: int | None = 10,
    max_features: str = "log2",
    min_samples_split: int = 2,
    min_samples_leaf: int = 1,
    bootstrap: bool = False,
    n_jobs: int | None = None,
) -> BaseEstimator:
    """Return the unfitted estimator; parameters are scikit-learn's own."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(
        n_estimators=n_estimators,
        max_depth=max_depth,
        max_features=max_features,
        min_samples_split=min_samples_split,
        min_samples_leaf=min_samples_leaf,
        bootstrap=bootstrap,
        random_state=seed,
        n_jobs=n_jobs,
    )
