"""Random convolutions of log-mel frames, indifferent to level, channel and silence.

The kernels of :mod:`random_convolutions`, every 20 ms instead of every 10, over
the frames of the utterance alone (:func:`multimodal_ser.audio.utterance.log_mel`),
each band's mean over the utterance removed: what a microphone and a room add to
all frames alike is in that mean. Powers more than 40 dB below the utterance's
mean count as that, for in many recordings they are noise.
"""

from __future__ import annotations

import functools

import numpy as np

from multimodal_ser.audio.features import random_convolutions as kernels
from multimodal_ser.audio.features.robust_log_mel import loudest
from multimodal_ser.audio.utterance import RATE_HZ, log_mel

__all__ = ["NAME", "RATE_HZ", "VERSION", "extract", "names"]

NAME = "robust_convolutions"
VERSION = 1
DILATIONS_FRAMES = (1, 2, 4, 8)
#: Frames of 20 ms that are looked at, at most.
MAX_FRAMES = 300
_LEAST_DB = -40.0


@functools.cache
def names() -> tuple[str, ...]:
    """Return the names, in the order of the values.

    Example:
        >>> len(names()), names()[0]
        (4400, 'kernel_001_every_20ms_p00')
    """
    return tuple(
        f"kernel_{at:03d}_every_{20 * frames}ms_{statistic}"
        for frames in DILATIONS_FRAMES
        for statistic in kernels.STATISTICS
        for at in range(1, kernels.N_KERNELS + 1)
    )


def extract(signal: np.ndarray) -> np.ndarray:
    """Return the values of one signal.

    Args:
        signal: mono float32 ``(n_samples,)`` at 16000 Hz, finite.

    Returns:
        float32 ``(4400,)``, finite; see :func:`names`.

    Raises:
        SerError: the signal is empty, not mono, or not finite.

    Example:
        >>> extract(np.zeros(100, np.float32)).shape
        (4400,)
    """
    frames = np.maximum(loudest(log_mel(signal), MAX_FRAMES), _LEAST_DB)
    # The kernels take frames about their middle level.
    frames = frames - frames.mean(axis=0) + kernels.MIDDLE_DB
    return np.concatenate(
        [kernels.statistics(kernels.responses(frames, d)) for d in DILATIONS_FRAMES]
    )
