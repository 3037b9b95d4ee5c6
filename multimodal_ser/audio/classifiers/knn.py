"""K nearest neighbours on standardised values, as in ``soft_voting`` and ``cremad_valence``.

Neither source states more than its score; 5 neighbours that weigh by their
closeness are scikit-learn's number and the usual reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

INPUT = "vector"
SEARCH = {
    "n_neighbors": [1, 3, 5, 9, 15, 25],
    "weights": ["uniform", "distance"],
    "metric": ["euclidean", "manhattan", "cosine"],
}


def build(
    *,
    seed: int = 0,
    n_neighbors: int = 5,
    weights: str = "distance",
    metric: str = "euclidean",
    scale: bool = True,
) -> Pipeline:
    """Return the unfitted estimator.

    Args:
        seed: unused, the fit is deterministic; here so that all are called alike.
        n_neighbors: how many training clips vote, at most.
        weights: ``uniform``, or ``distance`` for votes of one over the distance.
        metric: between values, as scikit-learn names it.
        scale: whether to standardise by the training clips' mean and deviation.

    Returns:
        A scikit-learn Pipeline with ``predict_proba``.

    Example:
        >>> build(n_neighbors=3).named_steps["kneighborsclassifier"].n_neighbors
        3
    """
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # By brute force: with so many values a tree is no faster, and a file of the
    # fitted model then holds arrays alone.
    neighbours = KNeighborsClassifier(
        n_neighbors, weights=weights, metric=metric, algorithm="brute", n_jobs=1
    )
    return make_pipeline(*([StandardScaler()] if scale else []), neighbours)
