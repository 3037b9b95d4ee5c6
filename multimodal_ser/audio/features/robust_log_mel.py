"""Log-mel frames of the utterance alone, relative to its own level, for networks.

At 16000 Hz: see :func:`multimodal_ser.audio.utterance.log_mel`. Of an utterance
longer than 3.2 s the frames with the most energy are kept; a shorter one is
repeated from its beginning, so that there is no silence to learn from.
"""

from __future__ import annotations

import numpy as np

from multimodal_ser.audio.utterance import HOP_SECONDS, N_MELS, RATE_HZ, log_mel

__all__ = ["NAME", "RATE_HZ", "SHAPE", "VERSION", "extract", "names"]

NAME = "robust_log_mel"
VERSION = 1
SECONDS = 3.2
SHAPE = (round(SECONDS / HOP_SECONDS), N_MELS)


def names() -> tuple[str, ...]:
    """Return what the two axes are.

    Example:
        >>> names(), SHAPE
        (('frame', 'mel_db'), (160, 64))
    """
    return ("frame", "mel_db")


def extract(signal: np.ndarray) -> np.ndarray:
    """Return the frames of one signal.

    Args:
        signal: mono float32 ``(n_samples,)`` at 16000 Hz, finite.

    Returns:
        float32 ``(160, 64)`` in dB, -80 to about 18.

    Raises:
        SerError: the signal is empty, not mono, or not finite.

    Example:
        >>> extract(np.zeros(100, np.float32)).shape
        (160, 64)
    """
    frames = loudest(log_mel(signal), SHAPE[0])
    return frames[np.arange(SHAPE[0]) % len(frames)]


def loudest(frames: np.ndarray, n_frames: int) -> np.ndarray:
    """Return the stretch of at most so many frames with the most energy.

    Args:
        frames: ``(n, 64)`` in dB.
        n_frames: the longest.

    Example:
        >>> loudest(np.array([[0.0], [10.0], [0.0]]), 2).ravel().tolist()
        [0.0, 10.0]
    """
    if len(frames) <= n_frames:
        return frames
    energy = np.concatenate([[0.0], np.cumsum((10 ** (frames / 10)).sum(axis=1))])
    first = int(np.argmax(energy[n_frames:] - energy[:-n_frames]))
    return frames[first : first + n_frames]
