"""Samples for networks: 3 seconds at 16000 Hz.

A longer clip gives the 3 s with the most energy, a shorter one stands in the
middle of silence. The level is the recording's own.
"""

from __future__ import annotations

import numpy as np

from multimodal_ser.audio.signal import fixed_length

NAME = "waveform"
VERSION = 1
RATE_HZ = 16000
SECONDS = 3.0
SHAPE = (round(SECONDS * RATE_HZ), 1)


def names() -> tuple[str, ...]:
    """Return what the two axes are.

    Example:
        >>> names(), SHAPE
        (('sample', 'channel'), (48000, 1))
    """
    return ("sample", "channel")


def extract(signal: np.ndarray) -> np.ndarray:
    """Return the samples of one signal.

    Args:
        signal: mono float32 ``(n_samples,)`` at 16000 Hz, finite.

    Returns:
        float32 ``(48000, 1)``, in about -1 to 1.

    Raises:
        SerError: the signal is empty, not mono, or not finite.

    Example:
        >>> extract(np.ones(4, np.float32)).sum()
        np.float32(4.0)
    """
    return fixed_length(signal, SHAPE[0])[:, None]
