"""The 157 values of AEI 2019: statistics of MFCC and their deltas, and energy.

At 22050 Hz: 13 MFCC (window 2048, hop 512 samples), their delta and
delta-delta; mean, maximum, minimum and standard deviation over frames of each
of the 39; and the mean root-mean-square energy. All as librosa computes them
by default.
"""

from __future__ import annotations

import numpy as np

from multimodal_ser.audio.spectra import RATE_HZ, Spectra, delta, spectra_of

NAME = "mfcc_rms"
VERSION = 2
N_MFCC = 13

_STATISTICS = ("mean", "max", "min", "std")
_SERIES = ("mfcc", "delta", "delta2")

__all__ = ["NAME", "RATE_HZ", "VERSION", "extract", "names"]


def names() -> tuple[str, ...]:
    """Return the 157 names, in the order of the values.

    Example:
        >>> names()[0], names()[13], names()[-1]
        ('mfcc_01_mean', 'mfcc_01_max', 'rms_mean')
    """
    values = [
        f"{series}_{band:02d}_{statistic}"
        for series in _SERIES
        for statistic in _STATISTICS
        for band in range(1, N_MFCC + 1)
    ]
    return (*values, "rms_mean")


def extract(sound: np.ndarray | Spectra) -> np.ndarray:
    """Return the 157 values of one signal.

    Args:
        sound: mono float32 ``(n_samples,)`` at 22050 Hz, finite, or its spectra.

    Returns:
        float32 ``(157,)``, finite; see :func:`names`.

    Raises:
        SerError: the signal is empty, not mono, or not finite.

    Example:
        >>> extract(np.zeros(22050, np.float32)).shape
        (157,)
    """
    spectra = spectra_of(sound)
    mfcc = spectra.mfcc(N_MFCC)
    rows = np.concatenate([mfcc, delta(mfcc, 1), delta(mfcc, 2)], axis=1)
    mean = rows.mean(axis=0, keepdims=True)
    found = np.stack([mean[0], rows.max(axis=0), rows.min(axis=0), rows.std(axis=0, mean=mean)])
    in_order = found.reshape(len(_STATISTICS), len(_SERIES), N_MFCC).swapaxes(0, 1)
    return np.append(in_order.ravel(), spectra.rms.mean()).astype(np.float32)
