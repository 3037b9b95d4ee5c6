"""Soft vote of classifiers that each see the values of one feature set.

Made for ``functionals_and_convolutions``: logistic regression and perceptrons on the
functionals, and the same on the random convolutions; the vote is the normalised geometric mean.
One classifier of all values at once is led by the larger set.
"""

from __future__ import annotations

from collections.abc import Sequence

from multimodal_ser.audio import classifiers
from multimodal_ser.audio.classifiers import logistic_regression
from multimodal_ser.audio.features import functionals, functionals_and_convolutions
from multimodal_ser.audio.features import random_convolutions as convolutions
from multimodal_ser.errors import SerError
from multimodal_ser.estimators.votes import SoftVote

INPUT = "vector"
SEARCH = {"first_c": logistic_regression.SEARCH["c"], "second_c": [0.0001, 0.0003, 0.001]}


def build(
    *,
    seed: int = 0,
    names: Sequence[str] | None = None,
    members: Sequence[str] = ("logistic_regression", "mlp"),
    first_c: float = 0.003,
    second_c: float = 0.0003,
) -> SoftVote:
    """Return the unfitted estimator.

    Args:
        seed: of every member.
        names: of the values, in their order, from the functionals' and the random
            convolutions'; None takes all of both.
        members: classifiers of feature vectors, each once; every feature set gets each.
        first_c: ``c`` of the functionals' logistic regression.
        second_c: ``c`` of the convolutions'.

    Returns:
        A vote whose members each see the columns of one feature set.

    Raises:
        UnknownName: there is no such classifier.
        SerError: a name is of neither feature set, one set has none, or a member does not fit.

    Example:
        >>> [name for name, _ in build().estimators][:2]
        ['functionals_logistic_regression', 'functionals_mlp']
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline

    _check(members)
    built = []
    for c, (feature_set, columns) in zip((first_c, second_c), _columns(names).items(), strict=True):
        for name in members:
            params = {"c": c} if name == "logistic_regression" else {}
            chosen = ColumnTransformer([(feature_set, "passthrough", columns)])
            member = classifiers.load(name).build(seed=seed, **params)
            built.append((f"{feature_set}_{name}", make_pipeline(chosen, member)))
    return SoftVote(built, pooling="geometric")


def _columns(names: Sequence[str] | None) -> dict[str, list[int]]:
    """Return which columns hold the values of each feature set."""
    names = functionals_and_convolutions.names() if names is None else names
    sets = {module.NAME: frozenset(module.names()) for module in (functionals, convolutions)}
    columns = {
        name: [at for at, value in enumerate(names) if value in values]
        for name, values in sets.items()
    }
    if sum(map(len, columns.values())) != len(names) or not all(columns.values()):
        raise SerError(
            f"{len(names)} values, of which {len(columns['functionals'])} are functionals and "
            f"{len(columns['random_convolutions'])} random convolutions by name; give names of "
            "both feature sets and no others"
        )
    return columns


def _check(members: Sequence[str]) -> None:
    if not members or len(set(members)) < len(members):
        raise SerError(f"a vote of the members {list(members)}; give one or more, each once")
    for name in members:
        if classifiers.load(name).INPUT != INPUT or classifiers.is_network(name):
            raise SerError(f"{name} cannot be a member of a vote; give classifiers of vectors")


def check_width(n_values: int, *, names: Sequence[str] | None = None, **_params: object) -> None:
    """Refuse features of another number of values than there are names.

    Raises:
        SerError: the number is another.
    """
    wanted = len(functionals_and_convolutions.names() if names is None else names)
    if n_values != wanted:
        raise SerError(
            f"vote_per_feature_set wants {wanted} values, these features have {n_values}; "
            "choose the features 'functionals_and_convolutions', or give the names of the values"
        )
