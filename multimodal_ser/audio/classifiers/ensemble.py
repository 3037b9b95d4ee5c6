"""Soft vote of several classifiers of feature vectors, with weights.

By default a support vector classifier, logistic regression and perceptrons,
which err differently: a kernel, a plane and a network. The vote is the
normalised geometric mean of their probabilities, which on RAVDESS speech has
less log-loss than the arithmetic mean at the same accuracy. The published
system ``soft_voting`` takes the arithmetic mean, of the members in :data:`SOFT_VOTES`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from multimodal_ser.audio import classifiers
from multimodal_ser.audio.classifiers import logistic_regression, svc
from multimodal_ser.errors import SerError
from multimodal_ser.estimators.votes import POOLINGS, SoftVote, pool

__all__ = ["INPUT", "SEARCH", "SOFT_VOTES", "build", "pool"]

INPUT = "vector"
SEARCH = {"lr_c": logistic_regression.SEARCH["c"], "svc_c": svc.SEARCH["c"]}
#: The soft votes of ``soft_voting``; pass one as ``members``, with ``pooling="arithmetic"``.
SOFT_VOTES = (
    ("mlp", "lightgbm"),
    ("knn", "xgboost", "mlp"),
    ("xgboost", "mlp", "random_forest", "logistic_regression"),
    ("mlp", "xgboost"),
)


def build(
    *,
    seed: int = 0,
    members: Sequence[str] = ("svc", "logistic_regression", "mlp"),
    weights: Sequence[float] | None = None,
    pooling: str = "geometric",
    member_params: Mapping[str, Mapping] | None = None,
    svc_c: float = 3.0,
    lr_c: float = 0.003,
    mlp_params: Mapping | None = None,
) -> SoftVote:
    """Return the unfitted estimator.

    Args:
        seed: of every member.
        members: classifiers of feature vectors, by name, each once.
        weights: one per member, 0 or more; None weighs all alike.
        pooling: ``geometric`` or ``arithmetic`` mean of the probabilities.
        member_params: name -> parameters of its ``build``.
        svc_c: ``c`` of :mod:`svc`, unless ``member_params`` says otherwise.
        lr_c: ``c`` of :mod:`logistic_regression`, likewise.
        mlp_params: of :mod:`mlp`, likewise.

    Returns:
        A :class:`SoftVote` that holds the members.

    Raises:
        UnknownName: there is no such classifier.
        SerError: a member is doubled or none of vectors, or the weights or the
            pooling do not fit.

    Example:
        >>> [name for name, _ in build().estimators]
        ['svc', 'logistic_regression', 'mlp']
        >>> build(members=["knn", "mlp"], weights=[1, 2]).weights
        [1, 2]
    """
    _check(list(members), weights, pooling)
    params = {"svc": {"c": svc_c}, "logistic_regression": {"c": lr_c}, "mlp": mlp_params}
    params |= dict(member_params or {})
    built = [
        (name, classifiers.load(name).build(seed=seed, **dict(params.get(name) or {})))
        for name in members
    ]
    return SoftVote(built, weights=weights, pooling=pooling)


def _check(members: list[str], weights: Sequence[float] | None, pooling: str) -> None:
    for name in members:
        # In a vote a network would get no validation clips, and could not be saved.
        fits = classifiers.load(name).INPUT == INPUT and not classifiers.is_network(name)
        if name == "ensemble" or not fits:
            raise SerError(f"{name} cannot be a member of a vote; give classifiers of vectors")
    if not members or len(set(members)) < len(members):
        raise SerError(f"a vote of {', '.join(members) or 'nobody'}; give each member once")
    if weights is not None and not (
        len(weights) == len(members) and min(weights) >= 0 and sum(weights) > 0
    ):
        raise SerError(f"weights {list(weights)} for {len(members)} members; give one each")
    if pooling not in POOLINGS:
        raise SerError(f"there is no pooling {pooling!r}; choose one of: {', '.join(POOLINGS)}")
