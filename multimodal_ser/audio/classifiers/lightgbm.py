"""Gradient-boosted trees by LightGBM, as in ``gendered_mlp`` and ``soft_voting``.

Neither source states its parameters; these are LightGBM's defaults, in its
deterministic mode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from multimodal_ser.errors import SerError
from multimodal_ser.plugins import require

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

INPUT = "vector"
SEARCH = {
    "n_estimators": [50, 100, 200, 400],
    "learning_rate": [0.03, 0.05, 0.1, 0.2],
    "num_leaves": [7, 15, 31, 63],
    "min_child_samples": [5, 10, 20, 40],
    "subsample": [0.5, 0.8, 1.0],
    "colsample_bytree": [0.3, 0.6, 1.0],
    "reg_lambda": [0.0, 0.1, 1.0, 10.0],
}


def build(
    *,
    seed: int = 0,
    n_estimators: int = 100,
    learning_rate: float = 0.1,
    num_leaves: int = 31,
    min_child_samples: int = 20,
    subsample: float = 1.0,
    colsample_bytree: float = 1.0,
    reg_lambda: float = 0.0,
    n_jobs: int | None = 1,
) -> BaseEstimator:
    """Return the unfitted estimator; parameters are LightGBM's own.

    ``subsample`` is drawn anew for every tree.

    Raises:
        MissingLibrary: LightGBM is not installed.
        SerError: the OpenMP library of the system that it needs is not there.

    Example:
        >>> build(num_leaves=7).num_leaves  # doctest: +SKIP
        7
    """
    require("lightgbm")
    try:
        from lightgbm import LGBMClassifier
    except (ImportError, OSError) as error:
        raise SerError(
            f"LightGBM cannot be loaded ({error}); on Linux install the OpenMP library libgomp "
            "(Debian: libgomp1), or use gradient_boosting or xgboost"
        ) from error
    return LGBMClassifier(
        n_estimators=n_estimators,
        learning_rate=learning_rate,
        num_leaves=num_leaves,
        min_child_samples=min_child_samples,
        subsample=subsample,
        subsample_freq=1,
        colsample_bytree=colsample_bytree,
        reg_lambda=reg_lambda,
        random_state=seed,
        n_jobs=n_jobs,
        deterministic=True,
        force_row_wise=True,
        verbose=-1,
    )
