"""Metrics of one probability table against the true labels.

Conventions: UAR is the mean recall over the classes that occur in the truth
(balanced accuracy); WAR is accuracy; rows of NaN (modality missing) are left
out, and ``n`` counts the others; the predicted label is the most probable one,
the first in label order on a tie. ROC AUC and average precision rank one class
against the rest and are averaged over the classes that occur; with a single
class in the truth there is nothing to rank against, and they are NaN.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from multimodal_ser.errors import TableError
from multimodal_ser.tables import check_probabilities
from multimodal_ser.tables.probabilities import expected_calibration_error

#: The metrics of :func:`score`, in the order in which they are shown.
NAMES = (
    "uar",
    "war",
    "macro_f1",
    "top2",
    "roc_auc",
    "average_precision",
    "nll",
    "brier",
    "ece",
    "n",
)
#: Columns of :func:`per_class`.
CLASS_COLUMNS = ("precision", "recall", "f1", "roc_auc", "average_precision", "n")


def score(probabilities: pd.DataFrame, truth: pd.Series) -> dict[str, float]:
    """Return every metric of one probability table.

    Args:
        probabilities: index ``clip``, one column per label.
        truth: true labels, indexed by clip; a superset of the clips is fine.

    Returns:
        Metric name -> value: ``uar``, ``war``, ``macro_f1``, ``top2``,
        ``roc_auc``, ``average_precision`` in 0 to 1; ``nll`` in nats; ``brier``
        0 to 2; ``ece`` 0 to 1 with 15 equal bins; ``n`` clips that were scored.
        All NaN but ``n`` when none was.

    Raises:
        TableError: a clip has no true label, or the table is malformed.

    Example:
        >>> p = pd.DataFrame([[0.9, 0.1], [0.2, 0.8]], ["a", "b"], ["sad", "happy"])
        >>> score(p, pd.Series({"a": "sad", "b": "happy"}))["uar"]
        1.0
    """
    values, codes = aligned(probabilities, truth)
    if not len(codes):
        return dict.fromkeys(NAMES, float("nan")) | {"n": 0}
    found = _decisions(values, codes) | _rankings(values, codes) | _confidences(values, codes)
    return {name: found[name] for name in NAMES[:-1]} | {"n": len(codes)}


def _decisions(values: np.ndarray, codes: np.ndarray) -> dict[str, float]:
    from sklearn import metrics

    said, present = values.argmax(axis=1), np.unique(codes)
    averaged = {"labels": present, "average": "macro", "zero_division": 0}
    top2 = np.argsort(-values, axis=1, kind="stable")[:, :2]
    return {
        "uar": float(metrics.recall_score(codes, said, **averaged)),
        "war": float(metrics.accuracy_score(codes, said)),
        "macro_f1": float(metrics.f1_score(codes, said, **averaged)),
        "top2": float((top2 == codes[:, None]).any(axis=1).mean()),
    }


def _rankings(values: np.ndarray, codes: np.ndarray) -> dict[str, float]:
    found = [_ranking(values[:, code], codes == code) for code in np.unique(codes)]
    auc, precision = np.mean(found, axis=0)
    return {"roc_auc": float(auc), "average_precision": float(precision)}


def _ranking(values: np.ndarray, is_it: np.ndarray) -> tuple[float, float]:
    """Return ROC AUC and average precision of one class; NaN without both sides."""
    from sklearn import metrics

    if is_it.all() or not is_it.any():
        return float("nan"), float("nan")
    auc = metrics.roc_auc_score(is_it, values)
    return float(auc), float(metrics.average_precision_score(is_it, values))


def _confidences(values: np.ndarray, codes: np.ndarray) -> dict[str, float]:
    chosen = np.clip(values[np.arange(len(codes)), codes], 1e-15, 1)
    hot = np.eye(values.shape[1])[codes]
    return {
        "nll": float(-np.log(chosen).mean()),
        "brier": float(((values - hot) ** 2).sum(axis=1).mean()),
        "ece": expected_calibration_error(values, codes),
    }


def per_class(probabilities: pd.DataFrame, truth: pd.Series) -> pd.DataFrame:
    """Return precision, recall and ranking of each class.

    Args:
        probabilities: index ``clip``, one column per label.
        truth: true labels, indexed by clip; a superset of the clips is fine.

    Returns:
        DataFrame with index ``label`` in label order and the columns
        :data:`CLASS_COLUMNS`, rates 0 to 1, ``n`` clips that truly have the
        label. NaN where a rate has no denominator: precision of a label never
        predicted, recall of one that never occurs, ranking of one that occurs
        never or always. Mean recall over the labels that occur is UAR.

    Raises:
        TableError: a clip has no true label, or the table is malformed.

    Example:
        >>> p = pd.DataFrame([[0.9, 0.1], [0.6, 0.4]], ["a", "b"], ["sad", "happy"])
        >>> per_class(p, pd.Series({"a": "sad", "b": "happy"})).loc["sad", "precision"]
        np.float64(0.5)
    """
    from sklearn.metrics import precision_recall_fscore_support

    values, codes = aligned(probabilities, truth)
    width = values.shape[1]
    rows = np.full((width, len(CLASS_COLUMNS)), np.nan)
    rows[:, -1] = np.bincount(codes, minlength=width)
    if len(codes):
        said = values.argmax(axis=1)
        rates = precision_recall_fscore_support(
            codes, said, labels=range(width), zero_division=np.nan
        )
        rows[:, :3] = np.stack(rates[:3], axis=1)
        rows[:, 3:5] = [_ranking(values[:, code], codes == code) for code in range(width)]
    table = pd.DataFrame(rows, pd.Index(probabilities.columns, name="label"), CLASS_COLUMNS)
    return table.astype({"n": int})


def confusion(probabilities: pd.DataFrame, truth: pd.Series) -> pd.DataFrame:
    """Return how often each true label (row) was called each label (column).

    Returns:
        Integer DataFrame, rows and columns in label order.

    Raises:
        TableError: a clip has no true label, or the table is malformed.
    """
    from sklearn.metrics import confusion_matrix

    values, codes = aligned(probabilities, truth)
    labels = list(probabilities.columns)
    counts = confusion_matrix(codes, values.argmax(axis=1), labels=range(len(labels)))
    index = pd.Index(labels, name="true")
    return pd.DataFrame(counts, index=index, columns=pd.Index(labels, name="predicted"))


def aligned(probabilities: pd.DataFrame, truth: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that are not missing, and their true columns.

    Args:
        probabilities: index ``clip``, one column per label; rows of NaN are left out.
        truth: true labels, indexed by clip; a superset of the clips is fine.

    Returns:
        Float ``(n, n_labels)`` and int ``(n,)``, clips in the table's order.

    Raises:
        TableError: a clip has no true label, or the table is malformed.

    Example:
        >>> p = pd.DataFrame([[0.9, 0.1]], ["a"], ["sad", "happy"])
        >>> aligned(p, pd.Series({"a": "happy"}))[1].tolist()
        [1]
    """
    check_probabilities(probabilities, list(probabilities.columns))
    given = probabilities.dropna(how="all")
    labels = truth.reindex(given.index).astype(object)
    unknown = given.index[~labels.isin(given.columns).to_numpy()]
    if len(unknown):
        raise TableError(
            f"{len(unknown)} predicted clip(s) have no true label among the columns, "
            f"first {unknown[0]!r}; score labelled clips only"
        )
    return given.to_numpy(dtype=float), given.columns.get_indexer(pd.Index(labels))
