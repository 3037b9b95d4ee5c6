"""Log-mel frames for networks: 3 seconds, 64 bands, 100 frames a second.

At 16000 Hz: Hann window of 512 samples (32 ms), hop of 160 (10 ms), 64 mel bands
up to 8 kHz, in dB. A longer clip gives the 3 s with the most energy, a shorter
one stands in the middle of silence.
"""

from __future__ import annotations

import numpy as np

from multimodal_ser.audio.signal import fixed_length
from multimodal_ser.audio.spectra import Spectra

NAME = "log_mel"
VERSION = 1
RATE_HZ = 16000
SECONDS = 3.0
WINDOW_SAMPLES = 512
HOP_SAMPLES = 160
N_MELS = 64
SHAPE = (round(SECONDS * RATE_HZ) // HOP_SAMPLES, N_MELS)


def names() -> tuple[str, ...]:
    """Return what the two axes are.

    Example:
        >>> names(), SHAPE
        (('frame', 'mel_db'), (300, 64))
    """
    return ("frame", "mel_db")


def extract(signal: np.ndarray) -> np.ndarray:
    """Return the frames of one signal.

    Args:
        signal: mono float32 ``(n_samples,)`` at 16000 Hz, finite.

    Returns:
        float32 ``(300, 64)`` in dB, from 80 below the clip's loudest band to
        it; -100 throughout in silence.

    Raises:
        SerError: the signal is empty, not mono, or not finite.

    Example:
        >>> extract(np.zeros(100, np.float32)).shape
        (300, 64)
    """
    # Frame 300 would be centred on the last sample's end.
    part = fixed_length(signal, SHAPE[0] * HOP_SAMPLES - 1)
    settings = {"window_samples": WINDOW_SAMPLES, "hop_samples": HOP_SAMPLES, "n_mels": N_MELS}
    return Spectra(part, RATE_HZ, **settings).mel_db
