"""The clip's cepstral coefficients as a grey image of 128 x 128, for ``spectrogram_resnet``.

At 22050 Hz (window 2048, hop 512 samples): 40 MFCC, the first at the bottom,
each from its lowest value in the clip (black) to its highest (white). In one
scale for all, the first coefficient, which is the loudness, would leave the
others one grey.
"""

from __future__ import annotations

import numpy as np

from multimodal_ser.audio.pictures import picture
from multimodal_ser.audio.spectra import RATE_HZ, Spectra, spectra_of

NAME = "mfcc_image"
VERSION = 1
SHAPE = (128, 128)
DTYPE = "uint8"
N_MFCC = 40
#: A coefficient that varies less than this, in dB, is drawn black: it is rounding.
_LEAST_SPAN = 1e-3

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
    mfcc = spectra_of(sound).mfcc(N_MFCC)
    span = np.ptp(mfcc, axis=0)
    share = (mfcc - mfcc.min(axis=0)) / np.where(span > _LEAST_SPAN, span, np.inf)
    return picture(share, SHAPE[0], lowest=0.0, highest=1.0)
