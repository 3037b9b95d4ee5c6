"""Scalers that are fitted once for all estimators that begin with the same ones.

Candidates of a search differ in their last step; what comes before it learns the same of the
same clips. scikit-learn's ``Pipeline(memory=...)`` keeps fitted steps too, on the disk, under
a hash of the values that takes longer than to scale them.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from sklearn.base import BaseEstimator
    from sklearn.pipeline import Pipeline


class FirstSteps:
    """Fits estimators on one array, each kind of first steps once.

    Example:
        >>> import numpy as np
        >>> from multimodal_ser.estimators.classical import regression
        >>> values, first = np.eye(4), FirstSteps()
        >>> one, two = regression(c=1.0), regression(c=2.0)
        >>> for each in (one, two):
        ...     first.fit(each, values, [0, 1, 0, 1])
        >>> one[0] is two[0]
        True
    """

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[Pipeline, np.ndarray]] = {}

    def fit(
        self, estimator: BaseEstimator, values: np.ndarray, targets: np.ndarray, **more: Any
    ) -> None:
        """Fit an estimator as its own ``fit`` does.

        Args:
            estimator: a pipeline, or anything else with ``fit``.
            values: ``(n_clips, n_values)``, the same in every call.
            targets: ``(n_clips,)``, the same in every call.
            more: arguments of its ``fit``; with any, nothing is shared.
        """
        steps = getattr(estimator, "steps", ())
        if more or len(steps) < 2:
            estimator.fit(values, targets, **more)
            return
        key = pickle.dumps(steps[:-1])  # their texts are cut where they are long
        if key not in self._known:
            begin = estimator[:-1]
            self._known[key] = begin, begin.fit_transform(values, targets)
        begin, prepared = self._known[key]
        estimator.steps[:-1] = begin.steps
        estimator[-1].fit(prepared, targets)
