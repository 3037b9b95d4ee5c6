"""The clip's spectrogram as a grey image of 128 x 128, for ``spectrogram_resnet``.

At 22050 Hz (window 2048, hop 512 samples): magnitude in dB from 80 below the
clip's loudest bin (black) to it (white), 0 to 11025 Hz upwards in equal steps.
The source does not say how it scaled its images.
"""

from __future__ import annotations

import numpy as np

from multimodal_ser.audio.pictures import decibel_picture
from multimodal_ser.audio.spectra import RATE_HZ, Spectra, decibels, spectra_of

NAME = "spectrogram_image"
VERSION = 1
SHAPE = (128, 128)
DTYPE = "uint8"

__all__ = ["DTYPE", "NAME", "RATE_HZ", "SHAPE", "VERSION", "extract", "names"]


def names() -> tuple[str, ...]:
    """Return what the two axes are.

    Example:
        >>> names()
        ('row', 'column')
    """
    return ("row", "column")


def extract(sound: np.ndarray | Spectra) -> np.ndarray:
    """Return the image of one signal.

    Args:
        sound: mono float32 ``(n_samples,)`` at 22050 Hz, finite, or its spectra.

    Returns:
        uint8 ``(128, 128)``; black in silence.

    Raises:
        SerError: the signal is empty, not mono, or not finite.

    Example:
        >>> extract(np.zeros(100, np.float32)).max()
        np.uint8(0)
    """
    return decibel_picture(decibels(spectra_of(sound).power), SHAPE[0])
