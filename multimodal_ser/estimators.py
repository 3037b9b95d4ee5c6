"""Classifiers of feature vectors that several rooms build, and their files.

Inputs are raw feature values: scaling is part of each estimator and so is
fitted on training clips alone. Files are data, without pickle.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from types import ModuleType

import numpy as np

from multimodal_ser.cache import write_atomically
from multimodal_ser.errors import ModelError

#: Types beyond scikit-learn's own that a model file may name. A file that
#: names any other type is refused.
_TRUSTED = (
    # A decision tree is arrays read by compiled code: it runs nothing, though a
    # forged one could make that code read out of bounds.
    "sklearn.tree._tree.Tree",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    "sklearn._loss.link.MultinomialLogit",
    "sklearn._loss.loss.HalfMultinomialLoss",
    # What Adam remembers of a training: arrays and numbers.
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    # A dictionary whose keys are attributes too.
    "sklearn.utils._bunch.Bunch",
    # A booster is text read by compiled code.
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "multimodal_ser.sklearn_classifiers.Columns",
    "multimodal_ser.sklearn_classifiers.PairwiseSVC",
    "multimodal_ser.sklearn_classifiers.SoftVote",
)


def support_vectors(*, c: float, gamma: str | float = "auto", scale: bool = True, seed: int = 0):
    """Return a support vector classifier with an RBF kernel.

    Args:
        c: penalty of a training clip on the wrong side.
        gamma: width of the kernel; ``auto`` is one over the number of values.
        scale: whether to standardise by the training clips' mean and deviation.
        seed: unused, the fit is deterministic.

    Returns:
        A scikit-learn Pipeline with pairwise ``decision_function`` and
        ``predict_proba``; see :func:`pairwise_probabilities`.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from multimodal_ser.sklearn_classifiers import PairwiseSVC

    steps = [StandardScaler()] if scale else []
    return make_pipeline(
        *steps, PairwiseSVC(C=c, gamma=gamma, decision_function_shape="ovo", random_state=seed)
    )


def pairwise_probabilities(estimator, values: np.ndarray) -> np.ndarray:
    """Return probabilities made of the margins between each two classes.

    A class's score is the sum of the logarithms of the logistic functions of
    its margins against each other class, the Bradley-Terry likelihood of
    winning every pair. They are not calibrated.

    Args:
        estimator: from :func:`support_vectors`, fitted on classes 0 to k-1.
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


def regression(*, c: float, max_iter: int = 1000, seed: int = 0):
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
):
    """Return the mean of small perceptrons that differ in their seed.

    One hidden layer, a fixed number of epochs: early stopping would hold out
    clips of actors that are also trained on, and so see nothing of a new
    speaker.

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
        batch_size: clips a step of Adam; None takes 200, or all where there are fewer.
        scale: whether to standardise by the training clips' mean and deviation.

    Returns:
        A scikit-learn VotingClassifier with ``predict_proba``.
    """
    from sklearn.ensemble import VotingClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # With this tolerance no epoch counts as better than the one before, so
    # training ends after n_iter_no_change + 2 epochs: a stated number, and no
    # warning that it has not converged. L-BFGS has a tolerance of its own.
    stop = {"tol": 1e9, "n_iter_no_change": max(epochs - 2, 1), "max_iter": epochs + 2}
    stop = (
        {"max_iter": epochs} if solver == "lbfgs" else stop | {"batch_size": batch_size or "auto"}
    )
    shape = {"hidden_layer_sizes": (hidden,), "alpha": alpha, "learning_rate_init": learning_rate}
    shape |= {"activation": activation, "solver": solver}
    networks = [
        MLPClassifier(**shape, **stop, random_state=seed + number) for number in range(n_seeds)
    ]
    members = [
        (
            f"seed_{network.random_state}",
            make_pipeline(*([StandardScaler()] if scale else []), network),
        )
        for network in networks
    ]
    return VotingClassifier(members, voting="soft")


def probabilities(module: ModuleType, estimator, values: np.ndarray) -> np.ndarray:
    """Return a fitted estimator's probabilities.

    Args:
        module: the plug-in that built it; its ``probabilities`` is called where
            it has one.
        estimator: what its ``build`` gave, fitted.
        values: as the estimator takes them, a clip a row.

    Returns:
        ``(n_clips, k)``; rows sum to 1.
    """
    if hasattr(module, "probabilities"):
        return module.probabilities(estimator, values)
    return estimator.predict_proba(values)


def save(estimator, folder: str | Path) -> None:
    """Write a fitted estimator into a folder, as data, without pickle.

    Raises:
        OSError: the folder cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if hasattr(estimator, "save"):
        estimator.save(folder)
        return
    import skops.io

    content = skops.io.dumps(estimator)
    write_atomically(folder / "estimator.skops", lambda file: file.write(content))


def load(folder: str | Path, module: ModuleType):
    """Read what :func:`save` wrote.

    Args:
        folder: holds the files.
        module: the plug-in whose ``build`` gave the estimator.

    Raises:
        ModelError: a file is missing or damaged, or names a type that is not
            trusted.
    """
    unfitted = module.build()
    if hasattr(unfitted, "save"):
        return type(unfitted).load(folder, module.__name__)
    import skops.io

    path = Path(folder) / "estimator.skops"
    try:
        unknown = set(skops.io.get_untrusted_types(file=path)) - set(_TRUSTED)
        if unknown:
            raise ModelError(
                f"{path}: it names the type {sorted(unknown)[0]}, which is not trusted; "
                "use a model from a source you trust, or train one"
            )
        return skops.io.load(path, trusted=list(_TRUSTED))
    except ModelError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{path}: not a usable model file ({reason}); train again") from error
