"""Classifiers of feature vectors that audio and video share.

Inputs are raw feature values: scaling is part of each estimator and so is
fitted on training clips alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn.ensemble import VotingClassifier
    from sklearn.pipeline import Pipeline


def support_vectors(
    *, c: float, gamma: str | float = "auto", scale: bool = True, seed: int = 0
) -> Pipeline:
    """Return a support vector classifier with an RBF kernel.

    Args:
        c: penalty of a training clip on the wrong side.
        gamma: width of the kernel; ``auto`` is one over the number of values.
        scale: whether to standardise by the training clips' mean and deviation.
        seed: unused, the fit is deterministic.

    Returns:
        A scikit-learn Pipeline with pairwise ``decision_function`` and
        ``predict_proba``; see :func:`~multimodal_ser.estimators.pairwise.pairwise_probabilities`.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from multimodal_ser.estimators.pairwise import PairwiseSVC

    steps = [StandardScaler()] if scale else []
    return make_pipeline(
        *steps, PairwiseSVC(C=c, gamma=gamma, decision_function_shape="ovo", random_state=seed)
    )


def regression(*, c: float, max_iter: int = 1000, seed: int = 0) -> Pipeline:
    """Return multinomial logistic regression.

    Args:
        c: inverse strength of the squared penalty.
        max_iter: steps of the solver at most.
        seed: unused, the fit is deterministic.

    Returns:
        A scikit-learn Pipeline with ``predict_proba``.

    Example:
        >>> regression(c=0.1).named_steps["logisticregression"].C
        0.1
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # A looser stop than scikit-learn's: the labels are settled long before.
    fitted = LogisticRegression(C=c, max_iter=max_iter, tol=1e-3, random_state=seed)
    return make_pipeline(StandardScaler(), fitted)


def perceptrons(
    *,
    hidden: int,
    alpha: float,
    epochs: int,
    learning_rate: float,
    n_seeds: int,
    seed: int = 0,
    activation: str = "relu",
    solver: str = "adam",
    batch_size: int | None = None,
    scale: bool = True,
) -> VotingClassifier | Pipeline:
    """Return the mean of small perceptrons that differ in their seed.

    One hidden layer, a fixed number of epochs: early stopping would hold out clips of
    actors that are also trained on.

    Args:
        hidden: units of the hidden layer.
        alpha: squared penalty on the weights.
        epochs: passes over the training clips, at least 3.
        learning_rate: of Adam.
        n_seeds: how many networks.
        seed: of the first network; the others take those that follow.
        activation: of the hidden layer, as scikit-learn names it.
        solver: ``adam``, or ``lbfgs``, which sees all clips in every step and
            makes at most so many steps as ``epochs`` says.
        batch_size: clips per step of Adam; None takes 200, or all where there are fewer.
        scale: whether to standardise by the training clips' mean and deviation.

    Returns:
        A scikit-learn VotingClassifier with ``predict_proba``, after a scaler where it scales.
    """
    from sklearn.ensemble import VotingClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    shape = {"hidden_layer_sizes": (hidden,), "alpha": alpha, "learning_rate_init": learning_rate}
    shape |= {"activation": activation, "solver": solver}
    shape |= {"max_iter": epochs} if solver == "lbfgs" else _adam(epochs, batch_size)
    members = [
        (f"seed_{each}", MLPClassifier(**shape, random_state=each))
        for each in range(seed, seed + n_seeds)
    ]
    vote = VotingClassifier(members, voting="soft")
    return make_pipeline(StandardScaler(), vote) if scale else vote


def _adam(epochs: int, batch_size: int | None) -> dict:
    # With this tolerance no epoch counts as better than the one before, so
    # training ends after n_iter_no_change + 2 epochs: a stated number, and no
    # warning that it has not converged. L-BFGS has a tolerance of its own.
    stop = {"tol": 1e9, "n_iter_no_change": max(epochs - 2, 1), "max_iter": epochs + 2}
    return stop | {"batch_size": batch_size or "auto"}
