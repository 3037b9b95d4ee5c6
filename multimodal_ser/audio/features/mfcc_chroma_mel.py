"""The 180 features of ``soft_voting``: mean MFCC, chroma and mel bands.

At 22050 Hz with librosa's defaults (window 2048, hop 512 samples): 40 MFCC, 12
chroma made of the transform's magnitude, and 128 mel bands of power, each
averaged over the frames.
"""

from __future__ import annotations

import numpy as np

from multimodal_ser.audio.spectra import N_MELS, RATE_HZ, Spectra, spectra_of

NAME = "mfcc_chroma_mel"
VERSION = 1
N_MFCC = 40

__all__ = ["NAME", "RATE_HZ", "VERSION", "extract", "names"]


def names() -> tuple[str, ...]:
    """Return the 180 names, in the order of the values.

    Example:
        >>> len(names()), names()[0], names()[40], names()[-1]
        (180, 'mfcc_01_mean', 'chroma_01_mean', 'mel_power_128_mean')
    """
    parts = (("mfcc", N_MFCC), ("chroma", 12), ("mel_power", N_MELS))
    return tuple(f"{name}_{at:02d}_mean" for name, count in parts for at in range(1, count + 1))


def extract(sound: np.ndarray | Spectra) -> np.ndarray:
    """Return the 180 values of one signal.

    Args:
        sound: mono float32 ``(n_samples,)`` at 22050 Hz, finite, or its spectra.

    Returns:
        float32 ``(180,)``, finite; see :func:`names`.

    Raises:
        SerError: the signal is empty, not mono, or not finite.

    Example:
        >>> extract(np.zeros(22050, np.float32)).shape
        (180,)
    """
    spectra = spectra_of(sound)
    series = (spectra.mfcc(N_MFCC), spectra.chroma("magnitude"), spectra.mel_power)
    return np.concatenate([rows.mean(axis=0) for rows in series]).astype(np.float32)
