"""The tables that flow through the project, each with its checker.

========================  =======================================================
table                     shape
========================  =======================================================
``clips``                 DataFrame, index ``clip``, columns :data:`CLIP_COLUMNS`
:class:`Features`         index ``clip`` + float32 array ``(n_clips, ...)`` + names
``probabilities``         index ``clip`` or ``(clip, frame, time_s)``, one column
                          per label; a row sums to 1, or is all NaN where the
                          modality is missing
``failures``              DataFrame with :data:`FAILURE_COLUMNS`, one row per clip
                          that could not be used
========================  =======================================================

Every join is by index, and a doubled clip id is refused, so that no step can
pair one clip's sound with another clip's label.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multimodal_ser.errors import TableError

#: The eight emotions in the order of their RAVDESS codes 01 to 08. Every
#: probability table and every network output keeps this order.
EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")

#: The modalities of a prediction, in the order in which they are shown.
MODALITIES = ("audio", "video", "fused")

CLIP_COLUMNS = (
    "dataset",
    "audio",
    "video",
    "emotion",
    "actor",
    "sex",
    "intensity",
    "statement",
    "repetition",
    "channel",
    "duration",
)
FAILURE_COLUMNS = ("clip", "path", "stage", "error")
FRAME_INDEX = ("clip", "frame", "time_s")

#: How far a row of probabilities may be from a sum of 1: float32 softmax
#: outputs stay within about 1e-6, tables written with four decimals within 4e-4.
SUM_TOLERANCE = 1e-3


def empty_clips() -> pd.DataFrame:
    """Return a clips table with no rows and every column.

    Example:
        >>> empty_clips().columns[0], len(empty_clips())
        ('dataset', 0)
    """
    return make_clips([])


def make_clips(rows: Iterable[dict], labels: Sequence[str] = EMOTIONS) -> pd.DataFrame:
    """Build a clips table, sorted by clip id, from dictionaries with a ``clip`` key.

    Columns that a row does not name are filled with missing values, so a
    recording about which nothing is known but its path is a valid clip.

    Args:
        rows: one dictionary a clip; keys are ``clip`` and any of
            :data:`CLIP_COLUMNS`.
        labels: what ``emotion`` may be; others than :data:`EMOTIONS` under
            another label scheme.

    Returns:
        DataFrame with index ``clip``; ``emotion`` is categorical over
        ``labels``, ``duration`` is float seconds, the rest is text.

    Raises:
        TableError: a clip id is doubled or missing, or an emotion is unknown.

    Example:
        >>> make_clips([{"clip": "a", "audio": "a.wav", "emotion": "sad"}]).loc["a", "emotion"]
        'sad'
    """
    table = pd.DataFrame(list(rows), columns=["clip", *CLIP_COLUMNS])
    table = table.set_index("clip").sort_index()
    for column in CLIP_COLUMNS:
        if column not in ("emotion", "duration"):
            table[column] = table[column].astype("string")
    table["duration"] = pd.to_numeric(table["duration"], errors="coerce").astype(float)
    given = table["emotion"]
    unknown = sorted(set(given.dropna()) - set(labels))
    if unknown:
        raise TableError(f"unknown emotion {unknown[0]!r}; use one of: {', '.join(labels)}")
    table["emotion"] = pd.Categorical(given, categories=list(labels))
    table.index = table.index.astype("object")
    return check_clips(table)


def check_clips(clips: pd.DataFrame) -> pd.DataFrame:
    """Return the clips table unchanged, or say what is wrong with it.

    Raises:
        TableError: a column is missing, or a clip id is doubled or empty.

    Example:
        >>> check_clips(empty_clips()).index.name
        'clip'
    """
    missing = [column for column in CLIP_COLUMNS if column not in clips.columns]
    if missing:
        raise TableError(
            f"the clips table lacks the column(s) {', '.join(missing)}; make it with 'index'"
        )
    _check_index(clips.index, "clips table")
    return clips


def _check_index(index: pd.Index, what: str) -> None:
    if index.isna().any() if index.nlevels == 1 else index.to_frame().isna().any(axis=None):
        raise TableError(f"the {what} has a row without a clip id; give every row one")
    doubled = index[index.duplicated()]
    if len(doubled):
        raise TableError(f"the {what} has {doubled[0]!r} twice; keep one row a clip")


def actor_groups(clips: pd.DataFrame) -> np.ndarray:
    """Return one text per clip that names its speaker across datasets.

    Two datasets may both have an actor ``01``; the data set's name keeps them
    apart. Clips without a known actor are each a speaker of their own.

    Returns:
        object array ``(n_clips,)``.

    Raises:
        TableError: the table is not a clips table.

    Example:
        >>> rows = [{"clip": "a", "dataset": "ravdess", "actor": "01"}, {"clip": "b"}]
        >>> actor_groups(make_clips(rows)).tolist()
        ['ravdess/01', 'clip/b']
    """
    check_clips(clips)
    named = clips["dataset"].fillna("") + "/" + clips["actor"].fillna("")
    alone = pd.Series([f"clip/{clip}" for clip in clips.index], index=clips.index)
    return named.where(clips["actor"].notna(), alone).to_numpy(dtype=object)


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
    _check_index(table.index, name)
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


@dataclass(frozen=True)
class Features:
    """Fixed-size features of clips, joined to anything else by clip id.

    Attributes:
        clips: index ``(n_clips,)`` of clip ids, unique.
        values: float32, or uint8 for pictures, ``(n_clips, ...)``, finite.
        names: of vectors, one name per value, units in the name; of arrays of
            more dimensions, one name per axis after the first.
    """

    clips: pd.Index
    values: np.ndarray
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.clips) != len(self.values):
            raise TableError(
                f"features have {len(self.clips)} clip ids for {len(self.values)} rows of values"
            )
        _check_index(self.clips, "feature table")
        axes = self.values.shape[1:]
        expected = axes[0] if len(axes) == 1 else len(axes)
        if len(self.names) != expected:
            raise TableError(
                f"features of shape {axes} have {len(self.names)} names; give {expected}: "
                "one a value, or one an axis where there are several"
            )

    def take(self, clips: Iterable[str]) -> np.ndarray:
        """Return the rows of the given clips, in the order given.

        Returns:
            ``(len(clips), ...)``, of the type of :attr:`values`.

        Raises:
            TableError: a clip has no features; the error names it.

        Example:
            >>> f = Features(pd.Index(["a", "b"]), np.float32([[1], [2]]), ("rms",))
            >>> f.take(["b"]).tolist()
            [[2.0]]
        """
        wanted = list(clips)
        rows = self.clips.get_indexer(wanted)
        if (rows < 0).any():
            lost = [clip for clip, row in zip(wanted, rows, strict=True) if row < 0]
            raise TableError(
                f"{len(lost)} clip(s) have no features, among them {lost[0]!r}; "
                "extract them first or leave them out"
            )
        return self.values[rows]


def failure_table(failures: Iterable[Sequence[str]]) -> pd.DataFrame:
    """Return the failures as a table with :data:`FAILURE_COLUMNS`.

    Example:
        >>> failure_table([("a", "a.wav", "audio", "empty")]).loc[0, "error"]
        'empty'
    """
    return pd.DataFrame(list(failures), columns=list(FAILURE_COLUMNS))


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
        result[f"emotion_{rank + 1}"] = np.where(absent, None, chosen)
        result[f"confidence_{rank + 1}"] = np.take_along_axis(values, order, 1)[:, rank]
    return result
