"""Probability tables: one column per label, one row per clip or frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from multimodal_ser.errors import TableError
from multimodal_ser.tables.clips import EMOTIONS, check_index

#: The modalities of a prediction, in the order in which they are shown.
MODALITIES = ("audio", "video", "fused")
FRAME_INDEX = ("clip", "frame", "time_s")

#: How far a row of probabilities may be from a sum of 1: float32 softmax
#: outputs stay within about 1e-6, tables written with four decimals within 4e-4.
SUM_TOLERANCE = 1e-3


def check_probabilities(
    table: pd.DataFrame, labels: Sequence[str] = EMOTIONS, name: str = "probabilities"
) -> pd.DataFrame:
    """Return a probability table unchanged, or say what is wrong with it.

    Args:
        table: index ``clip`` or ``(clip, frame, time_s)``, columns ``labels``.
        labels: the label order the caller works with.
        name: what to call the table in an error.

    Raises:
        TableError: columns differ from ``labels``, a row is doubled, a value
            lies outside 0 to 1, a row is partly NaN, or does not sum to 1.

    Example:
        >>> row = pd.DataFrame([[0.25, 0.75]], index=["a"], columns=["sad", "happy"])
        >>> check_probabilities(row, ["sad", "happy"]).loc["a", "happy"]
        np.float64(0.75)
    """
    if list(table.columns) != list(labels):
        raise TableError(
            f"{name} has the columns {', '.join(map(str, table.columns))}; "
            f"expected {', '.join(labels)} in this order"
        )
    check_index(table.index, name)
    values = table.to_numpy(dtype=float)
    absent = np.isnan(values)
    bad = absent.any(axis=1) & ~absent.all(axis=1)
    _refuse(table, bad, name, "has NaN beside numbers; make the row all NaN or complete")
    bad = (np.nan_to_num(values) < -SUM_TOLERANCE).any(axis=1)
    _refuse(table, bad, name, "has a negative value; give probabilities, not scores")
    total = values.sum(axis=1)
    bad = ~absent.all(axis=1) & ~(np.abs(total - 1) <= SUM_TOLERANCE)
    _refuse(table, bad, name, "does not sum to 1; divide the row by its sum")
    return table


def _refuse(table: pd.DataFrame, bad: np.ndarray, name: str, problem: str) -> None:
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        values = ", ".join(f"{value:.3g}" for value in table.iloc[at])
        raise TableError(f"{name}: the row of {table.index[at]!r} ({values}) {problem}")


def top(probabilities: pd.DataFrame, count: int = 2) -> pd.DataFrame:
    """Return the ``count`` most probable labels of each row.

    Args:
        probabilities: a probability table; rows of NaN give missing labels.
        count: how many labels to give, at least 1.

    Returns:
        DataFrame with the same index and the columns ``emotion_1``,
        ``confidence_1``, ``emotion_2``, ... ; equal probabilities keep the
        order of the columns.

    Example:
        >>> row = pd.DataFrame([[0.25, 0.75]], index=["a"], columns=["sad", "happy"])
        >>> top(row).loc["a", ["emotion_1", "emotion_2"]].tolist()
        ['happy', 'sad']
    """
    values = probabilities.to_numpy(dtype=float)
    labels = np.asarray(probabilities.columns, dtype=object)
    order = np.argsort(-values, axis=1, kind="stable")[:, :count]
    absent = np.isnan(values).any(axis=1)
    result = pd.DataFrame(index=probabilities.index)
    for rank in range(order.shape[1]):
        chosen = labels[order[:, rank]]
        chosen[absent] = None
        result[f"emotion_{rank + 1}"] = chosen
        result[f"confidence_{rank + 1}"] = np.take_along_axis(values, order, 1)[:, rank]
    return result


def expected_calibration_error(values: np.ndarray, codes: np.ndarray, n_bins: int = 15) -> float:
    """Return the gap between confidence and accuracy, averaged over bins.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, eq. 3:
    confidence is the highest probability, bins are equally wide, hold their upper end
    and weigh by how many rows fall into them.

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


#: What is of the modality, in a row of predictions; the labels follow ``confidence``.
_WHOSE = ("clip", "path", "segment", "start_s", "end_s", "frame", "time_s")
#: What is of one modality alone, by its nature.
_FACE = "face_rate"
_OWN = ("audio_share", "video_share", _FACE, "novelty", "note")


def sources(predictions: pd.DataFrame) -> pd.Series:
    """Return what each row rests on: a modality, or the face of one of several persons.

    Args:
        predictions: what ``inference.predict`` gives.

    Example:
        >>> rows = {"modality": ["fused", "video"], "person": pd.array([1, 1], "Int64")}
        >>> sources(pd.DataFrame(rows)).tolist()
        ['fused', 'person 1 video']
    """
    if "person" not in predictions:
        return predictions["modality"]
    faces = (predictions["modality"] == "video") & predictions["person"].notna()
    named = "person " + predictions["person"].astype("string") + " video"
    return predictions["modality"].where(~faces, named).astype(object)


def source_order(found: Iterable[str]) -> list[str]:
    """Return what :func:`sources` gives, each once: by modality, then by person.

    Example:
        >>> source_order(["fused", "person 10 video", "person 2 video", "audio"])
        ['audio', 'person 2 video', 'person 10 video', 'fused']
    """

    def place(name: str) -> tuple[int, int]:
        number = name.split()[1] if name not in MODALITIES else "0"
        return MODALITIES.index(name.split()[-1]), int(number)

    return sorted(set(found), key=place)


def widened(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return predictions with one row per clip, segment or frame instead of three.

    Args:
        predictions: what ``inference.predict`` gives.

    Returns:
        Those columns that say where a row lies; the others once for each modality, named
        such as ``fused_emotion``; then shares, face rate and note.

    Example:
        >>> rows = pd.DataFrame({"clip": ["a", "a"], "modality": ["audio", "fused"],
        ...                      "emotion": ["sad", "happy"]})
        >>> widened(rows).to_dict("records")
        [{'clip': 'a', 'audio_emotion': 'sad', 'fused_emotion': 'happy'}]
    """
    where = [name for name in _WHOSE if name in predictions and name != "path"]
    # A missing segment is a key like any other.
    order = predictions.groupby(where, dropna=False, sort=False).ngroup()
    wide = predictions.drop_duplicates(where)[where].set_axis(order.unique())
    paths = predictions.groupby(order)["path"].last() if "path" in predictions else None
    if paths is not None:
        wide.insert(1, "path", paths)
    of_modality = [c for c in predictions if c not in (*_WHOSE, *_OWN, "modality")]
    source = sources(predictions)
    for name in source_order(source):
        rows = source == name
        part = predictions.loc[rows, of_modality].set_axis(order[rows])
        if name not in MODALITIES:
            part = part.drop(columns="person").join(
                predictions.loc[rows, _FACE].set_axis(order[rows])
            )
        wide = wide.join(part.add_prefix(f"{name.replace(' ', '_')}_"))
    for name in _OWN:
        if name in predictions:  # the first that is there: each is of one modality
            of_all = source.isin(MODALITIES)
            wide[name] = predictions[of_all].groupby(order[of_all])[name].first()
    return wide.reset_index(drop=True)
