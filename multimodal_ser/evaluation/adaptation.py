"""Adapted protocols: each person's, or each set's, values by their own statistics.

Every feature of a person's clips, of training and test people alike, is taken
minus its mean over that person's clips and divided by its deviation over them;
``set`` does the same with all clips of a data set. No label is looked at and no
other person's clip. What it asks for is several unlabelled clips of the person
to be recognised, of mixed emotions: in RAVDESS 60 with every emotion in equal
parts, which flatters it. A strict protocol has no such clips, so the two are
never in one column of a table.

Speaker normalisation of functionals: Schuller et al., "Cross-corpus acoustic
emotion recognition", IEEE Trans. Affective Computing 1(2), 2010, section 3.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from multimodal_ser.errors import SerError, TableError
from multimodal_ser.tables import Features, actor_groups

NAMES = ("none", "person", "set")
#: Of fewer clips a mean and a deviation say little about a person.
LEAST_CLIPS = 5
#: A deviation below this share of the value's size is rounding, not variation.
_ROUNDING = 1e-6


def groups(clips: pd.DataFrame, how: str) -> pd.Series:
    """Return whose statistics each clip is normalised by.

    Args:
        clips: a clips table.
        how: ``person`` or ``set``.

    Returns:
        Text by clip.

    Raises:
        SerError: it is not known whose a clip is.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> groups(make_clips([{"clip": "a", "dataset": "d", "actor": "1"}]), "person").tolist()
        ['d/1']
    """
    if how == "set":
        return clips["dataset"].fillna("").astype(object)
    nameless = clips.index[clips["actor"].isna()]
    if len(nameless):
        raise SerError(
            f"adapting to a person needs to know whose a clip is; {len(nameless)} have no known "
            f"actor, among them {nameless[0]!r}: give a table with the columns path and actor"
        )
    return pd.Series(actor_groups(clips), clips.index, dtype=object)


def check_counts(clips: pd.DataFrame, how: str) -> None:
    """Refuse clips to predict of which a group has too few to know its statistics.

    Raises:
        SerError: a person, or the set, has fewer than :data:`LEAST_CLIPS` clips.
    """
    counts = groups(clips, how).value_counts()
    few = counts[counts < LEAST_CLIPS]
    if len(few):
        raise SerError(
            f"{few.index[0]!r} has {few.iloc[0]} clip(s), and adapting by {how} needs "
            f"{LEAST_CLIPS} or more of each; give more, or use a model without adaptation"
        )


class Statistics:
    """Means and deviations of features by group, taken a few clips at a time.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> clips = make_clips([{"clip": "a", "actor": "1"}, {"clip": "b", "actor": "1"}])
        >>> table = Features(pd.Index(["a", "b"]), np.float32([[4], [8]]), ("rms",))
        >>> known = Statistics()
        >>> known.add(table, clips, "person")
        >>> known.normalise(table, clips, "person").values.tolist()
        [[-1.0], [1.0]]
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def add(self, features: Features, clips: pd.DataFrame, how: str) -> None:
        """Take in features of clips; a NaN (nothing was measured) does not count.

        Args:
            features: float32 ``(n_clips, ...)``.
            clips: a clips table with every clip of the features.
            how: ``person`` or ``set``.

        Raises:
            TableError: ``clips`` lacks a clip of the features.
        """
        for group, rows in _rows(features, clips, how):
            values = features.values[rows].astype(np.float64)
            given = ~np.isnan(values)
            count = given.sum(axis=0)
            mean = np.where(given, values, 0).sum(axis=0) / np.maximum(count, 1)
            squares = (np.where(given, values - mean, 0) ** 2).sum(axis=0)
            self._known[group] = _merged(self._known.get(group), (count, mean, squares))

    def normalise(self, features: Features, clips: pd.DataFrame, how: str) -> Features:
        """Return features of the same clips and names, each group by its own statistics.

        Args:
            features: as for :meth:`add`.
            clips: as for :meth:`add`.
            how: as for :meth:`add`.

        Returns:
            float32, without unit; NaN stays NaN. A value that does not vary over
            a group's clips becomes 0, and so all values of a group of one clip.

        Raises:
            TableError: ``clips`` lacks a clip of the features.
        """
        values = np.asarray(features.values, dtype=np.float32).copy()
        for group, rows in _rows(features, clips, how):
            count, mean, squares = self._known[group]
            deviation = np.sqrt(squares / np.maximum(count, 1))
            varies = deviation > _ROUNDING * np.abs(mean)
            centred = values[rows].astype(np.float64) - mean
            values[rows] = np.where(varies, centred / np.where(varies, deviation, 1), centred * 0)
        return Features(features.clips, values, features.names)


def _merged(one: tuple | None, two: tuple) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Merge counts, means and sums of squares (Chan, Golub & LeVeque 1979)."""
    if one is None:
        return two
    count = one[0] + two[0]
    apart, of = two[1] - one[1], np.maximum(count, 1)
    mean = one[1] + apart * two[0] / of
    return count, mean, one[2] + two[2] + apart**2 * one[0] * two[0] / of


def adapted(features: Features, clips: pd.DataFrame, how: str) -> Features:
    """Normalise each group's rows by that group's own mean and deviation.

    Args:
        features: float32 ``(n_clips, ...)``.
        clips: a clips table with every clip of the features; its labels are not
            looked at.
        how: one of :data:`NAMES`; ``none`` returns the features as they are.

    Raises:
        TableError: ``clips`` lacks a clip of the features, or is no clips table.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> clips = make_clips([{"clip": "a", "actor": "1"}, {"clip": "b", "actor": "1"}])
        >>> table = Features(pd.Index(["a", "b"]), np.float32([[4], [8]]), ("rms",))
        >>> adapted(table, clips, "person").values.tolist()
        [[-1.0], [1.0]]
    """
    if how == "none":
        return features
    known = Statistics()
    known.add(features, clips, how)
    return known.normalise(features, clips, how)


def _rows(features: Features, clips: pd.DataFrame, how: str):
    """Yield each group of the features' clips and its rows."""
    named = groups(clips, how)
    lost = features.clips.difference(named.index)
    if len(lost):
        raise TableError(
            f"{len(lost)} clip(s) with features are not in the clips table, among them "
            f"{lost[0]!r}; give the table they were extracted from"
        )
    owners = named.loc[features.clips].to_numpy(dtype=object)
    for group in np.unique(owners):
        yield group, owners == group
