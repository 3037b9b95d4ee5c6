"""From the probabilities of sampled frames to those of their clip."""

from __future__ import annotations

import numpy as np
import pandas as pd

from multimodal_ser.errors import UnknownName
from multimodal_ser.fusion.numeric import FLOOR

NAMES = ("mean", "median", "product")


def pool_frames(frames: pd.DataFrame, method: str = "mean") -> pd.DataFrame:
    """Combine the frames of each clip.

    Args:
        frames: probability table with index ``(clip, frame, time_s)``; frames
            of NaN (no face) do not count.
        method: ``mean``; ``median`` of each label, then divided by the sum;
            ``product``, the normalised geometric mean.

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
    values = frames
    if method == "product":
        values = np.log(frames.clip(lower=FLOOR))
    groups = values.groupby(level="clip", sort=False)
    pooled = groups.median() if method == "median" else groups.mean()
    if method == "product":
        pooled = np.exp(pooled.sub(pooled.max(axis=1), axis=0))
    return pooled.div(pooled.sum(axis=1, min_count=1), axis=0)
