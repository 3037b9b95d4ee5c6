"""Support vector classifier with an RBF kernel, as in AEI 2019 (``aei_2019``).

AEI 2019: RBF kernel, gamma ``auto`` (one over the number of values), C 1,
standardised values. The machine is 28 machines, one a pair of classes. Its
votes say which class wins but not how clearly, so probabilities are made of
the 28 margins; calibration is a later step's task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from multimodal_ser.estimators import classical
from multimodal_ser.estimators.pairwise import pairwise_probabilities as probabilities

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

__all__ = ["SEARCH", "build", "probabilities"]

INPUT = "vector"
SEARCH = {"c": [0.1, 0.3, 1.0, 3.0, 10.0, 30.0], "gamma": ["auto", 0.001, 0.003, 0.01, 0.03]}


def build(
    *, seed: int = 0, c: float = 1.0, gamma: str | float = "auto", scale: bool = True
) -> Pipeline:
    """Return the unfitted estimator.

    Args:
        seed: unused, the fit is deterministic; here so that all are called alike.
        c: penalty of a training clip on the wrong side.
        gamma: width of the kernel.
        scale: whether to standardise by the training clips' mean and deviation.

    Returns:
        A scikit-learn Pipeline with pairwise ``decision_function``; see
        :func:`probabilities`.
    """
    return classical.support_vectors(c=c, gamma=gamma, scale=scale, seed=seed)
