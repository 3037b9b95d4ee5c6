"""Soft vote of classifiers that each look at one block of the features.

By default for the feature set ``voice``: logistic regression and perceptrons on
the 2669 functionals, and the same on the 5500 convolutions; the vote is the normalised
geometric mean. One classifier of all values at once is led by the larger block.
"""

from __future__ import annotations

from collections.abc import Sequence

from multimodal_ser.audio import classifiers
from multimodal_ser.audio.classifiers import logistic_regression
from multimodal_ser.errors import SerError
from multimodal_ser.estimators.votes import Columns, SoftVote

INPUT = "vector"
SEARCH = {"first_c": logistic_regression.SEARCH["c"], "second_c": [0.0001, 0.0003, 0.001]}
#: How many values the functionals and the random convolutions have.
BLOCKS = (2669, 5500)


def build(
    *,
    seed: int = 0,
    blocks: Sequence[int] = BLOCKS,
    members: Sequence[str] = ("logistic_regression", "mlp"),
    first_c: float = 0.003,
    second_c: float = 0.0003,
) -> SoftVote:
    """Return the unfitted estimator.

    Args:
        seed: of every member.
        blocks: how many values each block has, in their order. Values behind
            the last block are not looked at.
        members: classifiers of feature vectors, by name, each once; every block
            gets one of each.
        first_c: ``c`` of the first block's logistic regression.
        second_c: ``c`` of the others'.

    Returns:
        A :class:`SoftVote` whose members look at their columns.

    Raises:
        UnknownName: there is no such classifier.
        SerError: there is no block or no member, one is doubled, or a member
            is none of feature vectors.

    Example:
        >>> [name for name, _ in build(blocks=(10, 5)).estimators][:2]
        ['block_1_logistic_regression', 'block_1_mlp']
    """
    from sklearn.pipeline import make_pipeline

    _check(blocks, members)
    built, start = [], 0
    for number, width in enumerate(blocks, start=1):
        params = {"logistic_regression": {"c": first_c if number == 1 else second_c}}
        for name in members:
            member = classifiers.load(name).build(seed=seed, **params.get(name, {}))
            looking = make_pipeline(Columns(start, start + width), member)
            built.append((f"block_{number}_{name}", looking))
        start += width
    return SoftVote(built, pooling="geometric")


def _check(blocks: Sequence[int], members: Sequence[str]) -> None:
    if not len(blocks) or min(blocks) < 1:
        raise SerError(f"blocks of {list(blocks)} values; give one or more of at least 1")
    if not members or len(set(members)) < len(members):
        raise SerError(f"a vote of {', '.join(members) or 'nobody'}; give each member once")
    for name in members:
        module = classifiers.load(name)
        if module.INPUT != INPUT or hasattr(module, "network"):
            raise SerError(f"{name} cannot be a member of a vote; give classifiers of vectors")


def check_width(n_values: int, *, blocks: Sequence[int] = BLOCKS, **_params: object) -> None:
    """Refuse features that have fewer values than the blocks.

    Raises:
        SerError: they have.
    """
    if sum(blocks) > n_values:
        widths = " and ".join(map(str, blocks))
        raise SerError(
            f"vote_per_feature_set looks at blocks of {widths} values, these features have "
            f"{n_values}; choose the features 'functionals_and_convolutions', or other blocks"
        )
