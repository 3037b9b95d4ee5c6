"""Soft vote of a support vector classifier, logistic regression and perceptrons.

The three err differently: a kernel, a plane and a network. The vote is the
normalised geometric mean of their probabilities, which on RAVDESS speech has
less log-loss than the arithmetic mean at the same accuracy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from multimodal_ser.audio.classifiers import logistic_regression, mlp, svc

SEARCH = {"lr_c": logistic_regression.SEARCH["c"], "svc_c": svc.SEARCH["c"]}
#: Keeps the logarithm of a probability of 0 finite.
_FLOOR = 1e-7


def build(
    *,
    seed: int = 0,
    svc_c: float = 3.0,
    lr_c: float = 0.003,
    mlp_params: Mapping | None = None,
):
    """Return the unfitted estimator.

    Args:
        seed: of the perceptrons.
        svc_c: ``c`` of :mod:`svc`.
        lr_c: ``c`` of :mod:`logistic_regression`.
        mlp_params: passed to ``build`` of :mod:`mlp`.

    Returns:
        A scikit-learn VotingClassifier that holds the three; its own
        ``predict_proba`` does not work, because the support vector classifier
        has none. Use :func:`probabilities`.

    Example:
        >>> [name for name, _ in build().estimators]
        ['svc', 'logistic_regression', 'mlp']
    """
    from sklearn.ensemble import VotingClassifier

    members = [
        ("svc", svc.build(seed=seed, c=svc_c)),
        ("logistic_regression", logistic_regression.build(seed=seed, c=lr_c)),
        ("mlp", mlp.build(seed=seed, **dict(mlp_params or {}))),
    ]
    return VotingClassifier(members, voting="soft")


def probabilities(estimator, values: np.ndarray) -> np.ndarray:
    """Return the probabilities of a fitted estimator.

    Args:
        estimator: from :func:`build`, fitted on classes 0 to k-1.
        values: ``(n_clips, n_values)``.

    Returns:
        ``(n_clips, k)``; rows sum to 1.
    """
    members = estimator.named_estimators_
    votes = [
        svc.probabilities(members["svc"], values),
        members["logistic_regression"].predict_proba(values),
        members["mlp"].predict_proba(values),
    ]
    return pool(votes)


def pool(votes: Sequence[np.ndarray]) -> np.ndarray:
    """Return the normalised geometric mean of several classifiers' probabilities.

    Args:
        votes: one ``(n_clips, k)`` a classifier, rows summing to 1.

    Returns:
        ``(n_clips, k)``; rows sum to 1.

    Example:
        >>> pool([np.array([[0.5, 0.5]]), np.array([[0.8, 0.2]])]).round(3).tolist()
        [[0.667, 0.333]]
    """
    logs = np.mean([np.log(np.maximum(vote, _FLOOR)) for vote in votes], axis=0)
    pooled = np.exp(logs - logs.max(axis=1, keepdims=True))
    return pooled / pooled.sum(axis=1, keepdims=True)
