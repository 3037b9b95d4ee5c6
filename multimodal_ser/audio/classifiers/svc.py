"""Support vector classifier with an RBF kernel, as in system A.

System A: RBF kernel, gamma ``auto`` (one over the number of values), C 1,
standardised values. The machine is 28 machines, one a pair of classes. Its
votes say which class wins but not how clearly, so probabilities are made of
the 28 margins: a class's score is the sum of the logarithms of the logistic
functions of its margins against each other class (the Bradley-Terry
likelihood of winning every pair). Calibration is a later step's task.
"""

from __future__ import annotations

import itertools

import numpy as np

SEARCH = {"c": [0.1, 0.3, 1.0, 3.0, 10.0, 30.0], "gamma": ["auto", 0.001, 0.003, 0.01, 0.03]}


def build(*, seed: int = 0, c: float = 1.0, gamma: str | float = "auto", scale: bool = True):
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
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    steps = [StandardScaler()] if scale else []
    return make_pipeline(
        *steps, SVC(C=c, gamma=gamma, decision_function_shape="ovo", random_state=seed)
    )


def probabilities(estimator, values: np.ndarray) -> np.ndarray:
    """Return the probabilities of a fitted estimator.

    Args:
        estimator: from :func:`build`, fitted on classes 0 to k-1.
        values: ``(n_clips, n_values)``.

    Returns:
        ``(n_clips, k)``; rows sum to 1.
    """
    margins = estimator.decision_function(values)
    n_classes = len(estimator.classes_)
    if n_classes == 2:
        # With two classes scikit-learn turns the sign: positive is the second.
        margins = -margins[:, None]
    scores = np.zeros((len(values), n_classes))
    for column, (one, other) in enumerate(itertools.combinations(range(n_classes), 2)):
        margin = margins[:, column]
        scores[:, one] -= np.logaddexp(0, -margin)
        scores[:, other] -= np.logaddexp(0, margin)
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)
