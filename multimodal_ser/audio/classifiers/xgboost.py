"""Gradient-boosted trees by XGBoost, as in AEI 2019 (``aei_2019``).

The search of AEI 2019 ended at eta 0.1, gamma 0, depth 6 and a subsample of 0.35.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from multimodal_ser.plugins import require

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

INPUT = "vector"
#: The randomised search of AEI 2019, 50 draws.
SEARCH = {
    "learning_rate": [0.01, 0.03, 0.1, 0.3],
    "gamma": [0.0, 0.5, 1.0, 2.0],
    "max_depth": [3, 4, 6, 8, 10],
    "subsample": [0.35, 0.5, 0.7, 1.0],
}


def build(
    *,
    seed: int = 0,
    n_estimators: int = 100,
    learning_rate: float = 0.1,
    gamma: float = 0.0,
    max_depth: int = 6,
    subsample: float = 0.35,
    n_jobs: int | None = None,
) -> BaseEstimator:
    """Return the unfitted estimator; parameters are XGBoost's own.

    Raises:
        MissingLibrary: XGBoost is not installed.
    """
    require("xgboost")
    from xgboost import XGBClassifier

    return XGBClassifier(
        n_estimators=n_estimators,
        learning_rate=learning_rate,
        gamma=gamma,
        max_depth=max_depth,
        subsample=subsample,
        random_state=seed,
        n_jobs=n_jobs,
        tree_method="hist",
    )
