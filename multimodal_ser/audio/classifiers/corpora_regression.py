"""Multinomial logistic regression over several corpora, each with labels of its own.

See :mod:`multimodal_ser.estimators.partial_labels`; corpora and the labels in
each weigh as :func:`multimodal_ser.tables.selection.corpus_weights` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multimodal_ser.estimators.partial_labels import PartialLabelRegression

INPUT = "vector"
SEARCH = {"penalty": [0.01, 0.03, 0.1, 0.3]}
#: Its ``fit`` takes ``possible`` labels and ``weights``.
PARTIAL_LABELS = True


def build(*, seed: int = 0, penalty: float = 0.05) -> PartialLabelRegression:
    """Return the unfitted estimator.

    Args:
        seed: unused, the fit is deterministic; here so that all are called alike.
        penalty: of half the sum of squared weights, against the mean loss of a clip.

    Example:
        >>> build(penalty=0.1).penalty
        0.1
    """
    from multimodal_ser.estimators.partial_labels import PartialLabelRegression

    return PartialLabelRegression(penalty)
