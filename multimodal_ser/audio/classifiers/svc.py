"""Support vector classifier with an RBF kernel, as in system A.

System A: RBF kernel, gamma ``auto`` (one over the number of values), C 1,
standardised values. Probabilities are the softmax of the one-against-rest
decision values; calibration is a later step's task.
"""

from __future__ import annotations

SEARCH = {"c": [0.1, 0.3, 1.0, 3.0, 10.0, 30.0], "gamma": ["auto", 0.001, 0.003, 0.01, 0.03]}


def build(*, seed: int = 0, c: float = 1.0, gamma: str | float = "auto", scale: bool = True):
    """Return the unfitted estimator.

    Args:
        seed: unused, the fit is deterministic; here so that all are called alike.
        c: penalty of a training clip on the wrong side.
        gamma: width of the kernel.
        scale: whether to standardise by the training clips' mean and deviation.

    Returns:
        A scikit-learn Pipeline with ``decision_function``.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    steps = [StandardScaler()] if scale else []
    return make_pipeline(*steps, SVC(C=c, gamma=gamma, random_state=seed))
