"""The clip's mel spectrogram as a grey image of 224 x 224, for ``soft_voting``.

At 22050 Hz (window 2048, hop 512 samples): 128 mel bands in dB from 80 below
the clip's loudest (black) to it (white), low bands at the bottom.
224 pixels are what the networks that were trained on ImageNet take.
"""

from __future__ import annotations

import numpy as np

from multimodal_ser.audio.pictures import decibel_picture
from multimodal_ser.audio.spectra import RATE_HZ, Spectra, spectra_of

NAME = "mel_image224"
VERSION = 1
SHAPE = (224, 224)
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
        uint8 ``(224, 224)``; black in silence.

    Raises:
        SerError: the signal is empty, not mono, or not finite.

    Example:
        >>> extract(np.zeros(100, np.float32)).max()
        np.uint8(0)
    """
    return decibel_picture(spectra_of(sound).mel_db, SHAPE[0])
