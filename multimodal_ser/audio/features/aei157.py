"""The 157 values of system A: statistics of MFCC and their deltas, and energy.

At 22050 Hz: 13 MFCC (window 2048, hop 512 samples), their delta and
delta-delta; mean, maximum, minimum and standard deviation over frames of each
of the 39; and the mean root-mean-square energy. All as librosa computes them
by default.
"""

from __future__ import annotations

import warnings

import numpy as np

from multimodal_ser.errors import SerError

NAME = "aei157"
VERSION = 1
RATE_HZ = 22050
N_MFCC = 13
HOP_SAMPLES = 512
#: librosa's default length of the regression window of a delta, in frames.
DELTA_FRAMES = 9

_STATISTICS = {"mean": np.mean, "max": np.max, "min": np.min, "std": np.std}
_SERIES = ("mfcc", "delta", "delta2")


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


def extract(signal: np.ndarray) -> np.ndarray:
    """Return the 157 values of one signal.

    Args:
        signal: mono float32 ``(n_samples,)`` at 22050 Hz, finite.

    Returns:
        float32 ``(157,)``, finite; see :func:`names`.

    Raises:
        SerError: the signal is empty or not one-dimensional.

    Example:
        >>> extract(np.zeros(22050, np.float32)).shape
        (157,)
    """
    import librosa

    if signal.ndim != 1 or not len(signal):
        raise SerError(f"a signal of shape {signal.shape} has no features; give mono samples")
    with warnings.catch_warnings():
        # A clip shorter than one window is padded, which is what is wanted.
        warnings.filterwarnings("ignore", message="n_fft=.* is too large")
        mfcc = librosa.feature.mfcc(y=signal, sr=RATE_HZ, n_mfcc=N_MFCC, hop_length=HOP_SAMPLES)
        rms = librosa.feature.rms(y=signal, hop_length=HOP_SAMPLES)
    series = [mfcc, _delta(mfcc, 1), _delta(mfcc, 2)]
    values = [f(s, axis=1) for s in series for f in _STATISTICS.values()]
    return np.concatenate([*values, [rms.mean()]]).astype(np.float32)


def _delta(mfcc: np.ndarray, order: int) -> np.ndarray:
    import librosa

    # The default fits a line through nine frames at the edges too; a clip of
    # fewer frames (under 0.2 s) is continued by its edge frames instead.
    mode = "interp" if mfcc.shape[1] >= DELTA_FRAMES else "nearest"
    return librosa.feature.delta(mfcc, order=order, mode=mode)
