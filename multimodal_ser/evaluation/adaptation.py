"""Adapted protocols: each person's, or each set's, values by their own statistics.

Every feature of a person's clips, of training and test people alike, is taken
minus its mean over that person's clips and divided by its deviation over them;
``set`` does the same with all clips of a data set. No label is looked at and no
other person's clip. What it asks for is several unlabelled clips of the person
to be recognised, of mixed emotions: in RAVDESS 60 with every emotion in equal
parts, which flatters it. A strict protocol has no such clips, so the two are
never in one column of a table.

A model that was trained on clips as they are *and* normalised (:data:`BOTH`)
predicts without adaptation, and adapts to any number of clips: a group's
statistics are shrunk towards the training clips' (:class:`Reference`), which
count as :data:`STRENGTH_CLIPS` clips, and its values are brought to where the
training clips' lie. Nothing is known of a group of no clips, and nothing changes.

Speaker normalisation of functionals: Schuller et al., "Cross-corpus acoustic
emotion recognition", IEEE Trans. Affective Computing 1(2), 2010, section 3.
Shrinkage: the posterior mean under a conjugate prior that is worth so many
observations, as in the adaptation of means in Reynolds et al., "Speaker
verification using adapted Gaussian mixture models", Digital Signal Processing 10,
2000, section 3.2, whose relevance factor the strength is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from multimodal_ser.errors import ModelError, SerError, TableError
from multimodal_ser.estimators.files import check_archive
from multimodal_ser.tables import Features, actor_groups

NAMES = ("none", "person", "set")
#: How a model is trained that may adapt in any of these ways, or not at all.
BOTH = "both"
#: What models are trained with.
TRAINED = (*NAMES, BOTH)
#: As many clips as the training clips' statistics count for beside a group's own;
#: chosen on training actors by ``pipelines/adaptation_curve.py``.
STRENGTH_CLIPS = 5.0
#: Of fewer clips a mean and a deviation say little about a person.
LEAST_CLIPS = 5
#: What the id of a training clip's second, normalised row ends in.
SECOND = " adapted"
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


@dataclass(frozen=True)
class Reference:
    """Where the values of training clips lie: what statistics of few clips are shrunk towards.

    Attributes:
        mean: float32 ``(n_values,)``, in the features' units.
        deviation: likewise, 0 or more; 0 for a value that did not vary.

    Example:
        >>> Reference.of(np.float32([[1, 7], [3, 7]]))
        Reference(mean=array([2., 7.], dtype=float32), deviation=array([1., 0.], dtype=float32))
    """

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Reference:
        """Return the statistics of training clips; a NaN does not count.

        Args:
            values: ``(n_clips, n_values)``.
        """
        count, mean, squares = _moments(values)
        deviation = np.sqrt(squares / np.maximum(count, 1))
        deviation = np.where(deviation > _ROUNDING * np.abs(mean), deviation, 0)
        return cls(mean.astype(np.float32), deviation.astype(np.float32))

    def save(self, path: str | Path) -> None:
        """Write the two arrays, uncompressed and without pickle.

        Raises:
            OSError: the file cannot be written.
        """
        np.savez(path, mean=self.mean, deviation=self.deviation)

    @classmethod
    def load(cls, path: str | Path, n_values: int) -> Reference:
        """Read what :meth:`save` wrote.

        Args:
            path: of the file, which may be anyone's.
            n_values: of the features that it is for.

        Raises:
            ModelError: it is missing or damaged, or is for other features.
        """
        try:
            with np.load(check_archive(path), allow_pickle=False) as arrays:
                found = [arrays["mean"], arrays["deviation"]]
        except Exception as error:  # a damaged archive fails in many ways
            raise ModelError(
                f"{path}: not a usable reference ({error!s:.200}); train again"
            ) from None
        for values in found:
            if values.shape != (n_values,) or values.dtype != np.float32:
                raise ModelError(
                    f"{path}: it holds {values.dtype} {values.shape} and not float32 "
                    f"({n_values},); copy the model again or train it"
                )
        if not np.isfinite(found).all() or (found[1] < 0).any():
            raise ModelError(f"{path}: a mean or deviation in it is none; copy the model again")
        return cls(*found)

    def moved(self, values: np.ndarray, known: tuple, strength_clips: float) -> np.ndarray:
        """Return a group's values brought to where the training clips' lie.

        With n clips, mean m and sum of squares q of a value, and strength k, the
        group counts as of the mean (n m + k mean) / (n + k) and of the variance
        (q + k deviation^2) / (n - 1 + k).

        Args:
            values: ``(n_clips, n_values)``.
            known: count, mean and sum of squares of the group, each ``(n_values,)``.
            strength_clips: k, above 0.

        Returns:
            float64, in the features' units.
        """
        count, mean, squares = known
        own, deviation = self.mean.astype(np.float64), self.deviation.astype(np.float64)
        shift = count * (mean - own) / (count + strength_clips)
        freedom = np.maximum(count - 1, 0) + strength_clips
        spread = np.sqrt((squares + strength_clips * deviation**2) / freedom)
        scale = deviation / np.where(spread > 0, spread, 1)
        return (values - own - shift) * scale + own


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
            found = _moments(features.values[rows])
            self._known[group] = _merged(self._known.get(group), found)

    def normalise(
        self,
        features: Features,
        clips: pd.DataFrame,
        how: str,
        reference: Reference | None = None,
        strength_clips: float = STRENGTH_CLIPS,
    ) -> Features:
        """Return features of the same clips and names, each group by its own statistics.

        Args:
            features: as for :meth:`add`; vectors, where there is a reference.
            clips: as for :meth:`add`.
            how: as for :meth:`add`.
            reference: what the statistics are shrunk towards and the values are
                brought to; None does neither.
            strength_clips: how many clips the reference counts for, above 0.

        Returns:
            float32, NaN stays NaN. With a reference in the features' units, and a
            group of which nothing was added stays as it is. Without one without
            unit; a value that does not vary over a group's clips becomes 0, and so
            all values of a group of one clip.

        Raises:
            TableError: ``clips`` lacks a clip of the features.
        """
        values = np.asarray(features.values, dtype=np.float32).copy()
        for group, rows in _rows(features, clips, how):
            if reference is not None:
                if group in self._known:
                    known = self._known[group]
                    values[rows] = reference.moved(values[rows], known, strength_clips)
                continue
            count, mean, squares = self._known[group]
            deviation = np.sqrt(squares / np.maximum(count, 1))
            varies = deviation > _ROUNDING * np.abs(mean)
            centred = values[rows].astype(np.float64) - mean
            values[rows] = np.where(varies, centred / np.where(varies, deviation, 1), centred * 0)
        return Features(features.clips, values, features.names)


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return count, mean and sum of squared distances from it; a NaN does not count."""
    values = values.astype(np.float64)
    given = ~np.isnan(values)
    count = given.sum(axis=0)
    mean = np.where(given, values, 0).sum(axis=0) / np.maximum(count, 1)
    return count, mean, (np.where(given, values - mean, 0) ** 2).sum(axis=0)


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


def twice(
    features: Features, clips: pd.Index, owners: pd.DataFrame, reference: Reference
) -> Features:
    """Return training clips as they are and, after them, normalised for each person.

    Args:
        features: float32 ``(n_clips, n_values)``, of these and perhaps other clips,
            which are not looked at.
        clips: ids, of which those without features are left out.
        owners: a clips table with every one of them; its column ``actor`` says by whose
            statistics a clip is normalised.
        reference: of the training clips.

    Returns:
        Two rows per clip; the second's id ends in :data:`SECOND`.

    Raises:
        SerError: it is not known whose a clip is.
    """
    clips = clips[clips.isin(features.clips)]
    own = Features(clips, features.take(clips), features.names)
    known = Statistics()
    known.add(own, owners, "person")
    moved = known.normalise(own, owners, "person", reference)
    values = np.concatenate([own.values, moved.values])
    return Features(clips.append(clips + SECOND), values, own.names)


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
