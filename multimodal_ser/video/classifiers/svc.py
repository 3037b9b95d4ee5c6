"""Support vector classifier with an RBF kernel, of one vector a clip.

The default penalty suits 35 mean action units of 1,200 training clips: inner
folds of the Luna folds choose 1 or 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from multimodal_ser.estimators import classical
from multimodal_ser.estimators.pairwise import pairwise_probabilities as probabilities

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

__all__ = ["SEARCH", "SEQUENCES", "build", "probabilities"]

SEQUENCES = False
SEARCH = {"c": [0.3, 1.0, 3.0, 10.0], "gamma": ["auto", 0.003, 0.01, 0.03, 0.1]}


def build(
    *, seed: int = 0, c: float = 1.0, gamma: str | float = "auto", scale: bool = True
) -> Pipeline:
    """Return the unfitted estimator; see :func:`classical.support_vectors`.

    Example:
        >>> build(c=3.0).steps[-1][1].get_params()["C"]
        3.0
    """
    return classical.support_vectors(c=c, gamma=gamma, scale=scale, seed=seed)
