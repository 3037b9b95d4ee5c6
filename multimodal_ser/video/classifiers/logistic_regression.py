"""Multinomial logistic regression on standardised values, of one vector a clip.

The default penalty suits 35 mean action units of 1,200 training clips: inner
folds of the Luna folds choose 0.03 to 0.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from multimodal_ser.estimators import classical

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

SEQUENCES = False
SEARCH = {"c": [0.01, 0.03, 0.1, 0.3, 1.0]}


def build(*, seed: int = 0, c: float = 0.1, max_iter: int = 1000) -> Pipeline:
    """Return the unfitted estimator; see :func:`classical.regression`.

    Example:
        >>> build().named_steps["logisticregression"].C
        0.1
    """
    return classical.regression(c=c, max_iter=max_iter, seed=seed)
