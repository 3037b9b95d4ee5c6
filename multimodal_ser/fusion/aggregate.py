"""From the probabilities of sampled frames to those of their clip."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from multimodal_ser.errors import UnknownName
from multimodal_ser.fusion.numeric import FLOOR

NAMES = ("mean", "median", "log_pool", "attention")

#: How strongly :func:`pool_frames` by ``attention`` prefers frames that say
#: something: a frame of full certainty counts e^3, about 20, times as much as
#: one of none.
SHARPNESS = 3.0


def pool_frames(frames: pd.DataFrame, method: str = "mean") -> pd.DataFrame:
    """Combine the frames of each clip.

    Args:
        frames: probability table with index ``(clip, frame, time_s)``; frames
            of NaN (no face) do not count.
        method: ``mean``; ``median`` of each label, then divided by the sum;
            ``log_pool``, the normalised geometric mean; ``attention``, the mean
            weighted by each frame's own certainty, exp(3 (1 - H / H_max)) with
            the frame's entropy H. The last is not learned: weights learned from
            sequences are those of the video classifier ``temporal``.

    Returns:
        Probability table with index ``clip``, clips in order of appearance; a
        clip without a usable frame is a row of NaN.

    Raises:
        UnknownName: there is no such method.

    Example:
        >>> index = pd.MultiIndex.from_tuples(
        ...     [("a", 0, 0.0), ("a", 20, 0.7)], names=["clip", "frame", "time_s"])
        >>> frames = pd.DataFrame([[0.2, 0.8], [0.6, 0.4]], index, ["sad", "happy"])
        >>> pool_frames(frames).loc["a"].round(2).tolist()
        [0.4, 0.6]
    """
    if method not in NAMES:
        raise UnknownName("way to combine frames", method, NAMES)
    # Of a table both np.log and np.exp make a table, which NumPy's stubs do not know.
    if method == "attention":
        frames = frames.mul(_certainty_weights(frames), axis=0)
    elif method == "log_pool":
        frames = np.log(frames.clip(lower=FLOOR))  # type: ignore[assignment]
    groups = frames.groupby(level="clip", sort=False)
    pooled = groups.median() if method == "median" else groups.mean()
    if method == "log_pool":
        pooled = np.exp(pooled.sub(pooled.max(axis=1), axis=0))  # type: ignore[assignment]
    return pooled.div(pooled.sum(axis=1, min_count=1), axis=0)


def _certainty_weights(frames: pd.DataFrame) -> pd.Series:
    entropy = -(frames * np.log(frames.clip(lower=FLOOR))).sum(axis=1, skipna=False)
    return np.exp(SHARPNESS * (1 - entropy / np.log(frames.shape[1])))


def in_segments(frames: pd.DataFrame, units: pd.DataFrame) -> pd.DataFrame:
    """Return the frames of a recording once for every segment that they fall into.

    Args:
        frames: index ``(clip, frame, time_s)`` of one recording, sorted by time.
        units: its segments, index ``clip``, with ``start_s`` and ``end_s``.

    Returns:
        The same columns, index ``(clip, frame, time_s)``, where ``clip`` is the segment.

    Example:
        >>> index = pd.MultiIndex.from_tuples(
        ...     [("a", 0, 0.0), ("a", 20, 0.7)], names=["clip", "frame", "time_s"])
        >>> units = pd.DataFrame({"start_s": [0.5], "end_s": [1.0]}, index=["a#0000"])
        >>> in_segments(pd.DataFrame({"sad": [0.1, 0.2]}, index), units).index.tolist()
        [('a#0000', 20, 0.7)]
    """
    times = frames.index.get_level_values("time_s").to_numpy(float)
    firsts = np.searchsorted(times, units["start_s"])
    lasts = np.maximum(np.searchsorted(times, units["end_s"]), firsts)
    rows = [np.arange(first, last) for first, last in zip(firsts, lasts, strict=True)]
    taken = frames.iloc[np.concatenate(rows).astype(int) if rows else []]
    whose = np.repeat(np.asarray(units.index, object), lasts - firsts)
    levels: list[Any] = [whose, *(taken.index.get_level_values(at) for at in (1, 2))]
    return taken.set_axis(pd.MultiIndex.from_arrays(levels, names=frames.index.names))
