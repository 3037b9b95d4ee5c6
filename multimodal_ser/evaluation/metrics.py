"""Metrics of one probability table against the true labels.

Conventions: UAR is the mean recall over the classes that occur in the truth
(balanced accuracy); WAR is accuracy; rows of NaN (modality missing) are left
out and counted by ``n``; the predicted label is the most probable one, the
first in label order on a tie.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from multimodal_ser.errors import TableError
from multimodal_ser.tables import check_probabilities

#: The metrics of :func:`score`, in the order in which they are shown.
NAMES = ("uar", "war", "macro_f1", "top2", "nll", "brier", "ece", "n")


def score(probabilities: pd.DataFrame, truth: pd.Series) -> dict[str, float]:
    """Return every metric of one probability table.

    Args:
        probabilities: index ``clip``, one column per label.
        truth: true labels, indexed by clip; a superset of the clips is fine.

    Returns:
        Metric name -> value: ``uar``, ``war``, ``macro_f1``, ``top2`` in 0 to
        1; ``nll`` in nats; ``brier`` 0 to 2; ``ece`` 0 to 1 with 15 equal
        bins; ``n`` clips that were scored. All NaN but ``n`` when none was.

    Raises:
        TableError: a clip has no true label, or the table is malformed.

    Example:
        >>> p = pd.DataFrame([[0.9, 0.1], [0.2, 0.8]], ["a", "b"], ["sad", "happy"])
        >>> score(p, pd.Series({"a": "sad", "b": "happy"}))["uar"]
        1.0
    """
    from sklearn import metrics

    values, codes = _aligned(probabilities, truth)
    if not len(codes):
        return dict.fromkeys(NAMES, float("nan")) | {"n": 0}
    predicted = values.argmax(axis=1)
    labels = np.arange(values.shape[1])
    present = np.unique(codes)
    recall = metrics.recall_score(codes, predicted, labels=present, average="macro")
    top2 = np.argsort(-values, axis=1, kind="stable")[:, :2]
    hot = np.eye(values.shape[1])[codes]
    chosen = np.clip(values[np.arange(len(codes)), codes], 1e-15, 1)
    return {
        "uar": float(recall),
        "war": float(metrics.accuracy_score(codes, predicted)),
        "macro_f1": float(
            metrics.f1_score(codes, predicted, labels=present, average="macro", zero_division=0)
        ),
        "top2": float((top2 == codes[:, None]).any(axis=1).mean()),
        "nll": float(-np.log(chosen).mean()),
        "brier": float(((values - hot) ** 2).sum(axis=1).mean()),
        "ece": expected_calibration_error(values[:, labels], codes),
        "n": len(codes),
    }


def expected_calibration_error(values: np.ndarray, codes: np.ndarray, n_bins: int = 15) -> float:
    """Return the gap between confidence and accuracy, averaged over bins.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, eq. 3:
    confidence is the highest probability, bins are equally wide and weigh by
    how many rows fall into them.

    Args:
        values: ``(n, n_classes)`` probabilities.
        codes: ``(n,)`` true columns.
        n_bins: number of bins over 0 to 1.

    Returns:
        0 to 1.

    Example:
        >>> expected_calibration_error(np.array([[0.8, 0.2]] * 5), np.array([0, 0, 0, 0, 1]))
        0.0
    """
    confidence = values.max(axis=1)
    right = values.argmax(axis=1) == codes
    bins = np.clip(np.ceil(confidence * n_bins).astype(int) - 1, 0, n_bins - 1)
    count = np.bincount(bins, minlength=n_bins)
    gap = np.bincount(bins, weights=right - confidence, minlength=n_bins)
    return float(np.round(np.abs(gap).sum() / count.sum(), 12))


def confusion(probabilities: pd.DataFrame, truth: pd.Series) -> pd.DataFrame:
    """Return how often each true label (row) was called each label (column).

    Returns:
        Integer DataFrame, rows and columns in label order.

    Raises:
        TableError: a clip has no true label, or the table is malformed.
    """
    from sklearn.metrics import confusion_matrix

    values, codes = _aligned(probabilities, truth)
    labels = list(probabilities.columns)
    counts = confusion_matrix(codes, values.argmax(axis=1), labels=range(len(labels)))
    index = pd.Index(labels, name="true")
    return pd.DataFrame(counts, index=index, columns=pd.Index(labels, name="predicted"))


def _aligned(probabilities: pd.DataFrame, truth: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    check_probabilities(probabilities, list(probabilities.columns))
    given = probabilities.dropna(how="all")
    labels = truth.reindex(given.index).astype(object)
    unknown = given.index[~labels.isin(given.columns).to_numpy()]
    if len(unknown):
        raise TableError(
            f"{len(unknown)} predicted clip(s) have no true label among the columns, "
            f"first {unknown[0]!r}; score labelled clips only"
        )
    return given.to_numpy(dtype=float), given.columns.get_indexer(labels)
