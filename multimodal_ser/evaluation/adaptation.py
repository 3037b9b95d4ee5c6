"""The speaker-adapted protocol: each speaker's values by that speaker's own statistics.

Every feature of a speaker's clips, of training and test speakers alike, is
taken minus its mean over that speaker's clips and divided by its deviation
over them. No label is looked at and no other speaker's clip. What it asks for
is several unlabelled clips of the person to be recognised, of mixed emotions:
in RAVDESS 60 with every emotion in equal parts, which flatters it. A strict
protocol has no such clips, so the two are never one table's one column.

Speaker normalisation of functionals: Schuller et al., "Cross-corpus acoustic
emotion recognition", IEEE Trans. Affective Computing 1(2), 2010, section 3.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from multimodal_ser.errors import TableError
from multimodal_ser.tables import Features, actor_groups

#: What reports call the protocol.
NAME = "speaker-adapted"
#: A deviation below this share of the value's size is rounding, not variation.
_ROUNDING = 1e-6


def per_speaker(features: Features, clips: pd.DataFrame) -> Features:
    """Normalise each speaker's rows by that speaker's own mean and deviation.

    Args:
        features: float32 ``(n_clips, ...)``; a NaN (nothing was measured) stays
            NaN and does not count.
        clips: a clips table with every clip of the features; its labels are
            not looked at. A clip of an unknown speaker is a speaker of its own.

    Returns:
        Features of the same clips and names, float32, without unit. A value
        that does not vary over a speaker's clips becomes 0, and so all values
        of a speaker with one clip.

    Raises:
        TableError: ``clips`` lacks a clip of the features, or is no clips table.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> clips = make_clips([{"clip": "a", "actor": "1"}, {"clip": "b", "actor": "1"}])
        >>> table = Features(pd.Index(["a", "b"]), np.float32([[4], [8]]), ("rms",))
        >>> per_speaker(table, clips).values.tolist()
        [[-1.0], [1.0]]
    """
    speakers = _speakers(features, clips)
    values = np.asarray(features.values, dtype=np.float32).copy()
    for speaker in np.unique(speakers):
        rows = speakers == speaker
        values[rows] = _normalised(values[rows].astype(np.float64))
    return Features(features.clips, values, features.names)


def _speakers(features: Features, clips: pd.DataFrame) -> np.ndarray:
    named = pd.Series(actor_groups(clips), index=clips.index)
    lost = features.clips.difference(named.index)
    if len(lost):
        raise TableError(
            f"{len(lost)} clip(s) with features are not in the clips table, among them "
            f"{lost[0]!r}; give the table they were extracted from"
        )
    return named.loc[features.clips].to_numpy(dtype=object)


def _normalised(values: np.ndarray) -> np.ndarray:
    given = ~np.isnan(values)
    count = np.maximum(given.sum(axis=0), 1)
    mean = np.where(given, values, 0).sum(axis=0) / count
    centred = values - mean
    deviation = np.sqrt((np.where(given, centred, 0) ** 2).sum(axis=0) / count)
    varies = deviation > _ROUNDING * np.abs(mean)
    return np.where(varies, centred / np.where(varies, deviation, 1), centred * 0)
