"""A recording's waveform as a picture needs it: the lowest and highest value of each stretch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from multimodal_ser.audio import signal

#: Of the sound that is looked at: a voice's loud parts lie below half of it.
RATE_HZ = 8000
#: Extremes are kept of stretches of so many samples: 10 ms, so an hour is 3 MB.
_STRETCH = 80


def peaks(path: str | Path, columns: int = 400, length_s: float = 0.0) -> np.ndarray:
    """Return the extremes of equal stretches of a recording, decoded piece by piece.

    Args:
        path: any recording that ``signal.stream`` takes.
        columns: how many stretches at most; of a short sound fewer.
        length_s: what the columns span, where that is more than the sound, such as an image
            that goes on. What is missing is silence.

    Returns:
        float32 ``(n, 2)``: lowest and highest value, -1 to 1; ``(0, 2)`` of no sound at all.

    Raises:
        NoSound: the file is a video without a sound track.
        MediaError: it is missing, empty, damaged or no recording.

    Example:
        >>> peaks("talk.mp4", 400).shape  # doctest: +SKIP
        (400, 2)
    """
    rest, kept = np.zeros(0, np.float32), [np.zeros((0, 2), np.float32)]
    for block in signal.stream(path, rate_hz=RATE_HZ):
        block = np.concatenate([rest, block])
        whole = len(block) // _STRETCH * _STRETCH
        kept.append(_extremes(block[:whole].reshape(-1, _STRETCH)))
        rest = block[whole:]
    if len(rest):
        kept.append(_extremes(rest[None]))
    found = np.concatenate(kept)
    lacking = round(length_s * RATE_HZ / _STRETCH) - len(found)
    found = np.pad(found, ((0, max(0, lacking)), (0, 0)))
    if len(found) <= columns:
        return found
    first = np.linspace(0, len(found), columns, endpoint=False).astype(int)
    return np.column_stack(
        [np.minimum.reduceat(found[:, 0], first), np.maximum.reduceat(found[:, 1], first)]
    )


def _extremes(rows: np.ndarray) -> np.ndarray:
    return np.column_stack([rows.min(axis=1), rows.max(axis=1)])
