"""The mean of a few small perceptrons, of one vector a clip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from multimodal_ser.estimators import classical

if TYPE_CHECKING:
    from sklearn.ensemble import VotingClassifier
    from sklearn.pipeline import Pipeline

SEQUENCES = False
SEARCH = {"hidden": [32, 64, 128], "alpha": [0.3, 1.0, 3.0, 10.0], "epochs": [50, 100, 200]}


def build(
    *,
    seed: int = 0,
    hidden: int = 64,
    alpha: float = 3.0,
    epochs: int = 100,
    learning_rate: float = 1e-3,
    n_seeds: int = 3,
) -> VotingClassifier | Pipeline:
    """Return the unfitted estimator; see :func:`classical.perceptrons`.

    Example:
        >>> len(build(n_seeds=2)[-1].estimators)
        2
    """
    return classical.perceptrons(
        hidden=hidden,
        alpha=alpha,
        epochs=epochs,
        learning_rate=learning_rate,
        n_seeds=n_seeds,
        seed=seed,
    )
