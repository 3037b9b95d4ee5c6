"""Features of ``gendered_mlp``: seven moments of each of eleven descriptions of the spectrum.

At 22050 Hz with librosa's defaults (window 2048, hop 512 samples): 20 MFCC,
their delta and delta-delta, 128 mel bands of power, RMS energy, spectral
contrast, chroma, roll-off at 85 %, centroid, flatness and zero-crossing rate.
The source counts "about 70 features", so each moment is taken over all bands and
frames of a description at once: 11 x 7 = 77 values. How many MFCC it took it
does not say; 20 is librosa's default.
"""

from __future__ import annotations

import numpy as np

from multimodal_ser.audio.spectra import RATE_HZ, Spectra, delta, spectra_of

NAME = "spectral_moments"
VERSION = 1
N_MFCC = 20

SERIES = (
    "mfcc",
    "delta",
    "delta2",
    "mel_power",
    "rms",
    "contrast_db",
    "chroma",
    "rolloff_hz",
    "centroid_hz",
    "flatness",
    "zero_crossing_rate",
)
STATISTICS = ("mean", "std", "median", "min", "max", "skewness", "kurtosis")
#: A deviation below this share of the largest value is rounding, not variation.
_ROUNDING = 1e-6

__all__ = ["NAME", "RATE_HZ", "VERSION", "extract", "moments", "names"]


def names() -> tuple[str, ...]:
    """Return the 77 names, in the order of the values.

    Example:
        >>> len(names()), names()[0], names()[-1]
        (77, 'mfcc_mean', 'zero_crossing_rate_kurtosis')
    """
    return tuple(f"{series}_{statistic}" for series in SERIES for statistic in STATISTICS)


def extract(sound: np.ndarray | Spectra) -> np.ndarray:
    """Return the 77 values of one signal.

    Args:
        sound: mono float32 ``(n_samples,)`` at 22050 Hz, finite, or its spectra.

    Returns:
        float32 ``(77,)``, finite; see :func:`names`.

    Raises:
        SerError: the signal is empty, not mono, or not finite.

    Example:
        >>> extract(np.zeros(22050, np.float32)).shape
        (77,)
    """
    spectra = spectra_of(sound)
    mfcc = spectra.mfcc(N_MFCC)
    series = [
        mfcc,
        delta(mfcc, 1),
        delta(mfcc, 2),
        spectra.mel_power,
        spectra.rms,
        spectra.contrast_db,
        spectra.chroma(),
        spectra.rolloff_hz(),
        spectra.centroid_hz,
        spectra.flatness,
        spectra.zero_crossing_rate,
    ]
    return np.concatenate([moments(values) for values in series]).astype(np.float32)


def moments(values: np.ndarray) -> np.ndarray:
    """Return mean, standard deviation, median, minimum, maximum, skewness and kurtosis.

    Args:
        values: finite, of any shape but empty.

    Returns:
        float64 ``(7,)``; the kurtosis is the excess over a normal
        distribution's 3, and it and the skewness are 0 where nothing varies.

    Example:
        >>> moments(np.array([[1.0, 2.0], [3.0, 6.0]])).round(3).tolist()
        [3.0, 1.871, 2.5, 1.0, 6.0, 0.687, -1.0]
    """
    flat = values.ravel()
    median = np.median(flat)
    flat = flat.astype(np.float64)
    low, high, mean = flat.min(), flat.max(), flat.mean()
    centred = flat - mean
    squares = centred * centred
    variance = squares.mean()
    if variance <= (_ROUNDING * max(abs(low), abs(high))) ** 2:
        return np.array([mean, np.sqrt(variance), median, low, high, 0.0, 0.0])
    third, fourth = squares @ centred / len(flat), squares @ squares / len(flat)
    skewness, kurtosis = third / variance**1.5, fourth / variance**2 - 3
    return np.array([mean, np.sqrt(variance), median, low, high, skewness, kurtosis])
