"""What a thousand random patterns find in the log-mel frames: nothing here is learnt.

A convolutional network looks for patterns of a few bands over a few moments and
remembers how strongly each occurred. Kernels drawn at random do the same without
training (Dempster, Petitjean and Webb, "ROCKET", Data Mining and Knowledge
Discovery 34, 2020, for one channel); a linear or kernel classifier then learns
which of them tell anything. Ours are products of a pattern over 6 to 24 adjacent
mel bands, smoothed, and one over nine moments, 10 to 160 ms apart, half of which
sum to 0 and so see change alone. Of each kernel's response to the frames of
:mod:`log_mel`, nine quantiles over time, mean and deviation are kept; ROCKET's
share above a bias wants the bias fitted to data, these do not. How loud the
recording is matters, as in :mod:`functionals`, but not to the half that sees
change alone. Of a longer sound the 3 s with the most energy are heard.

The width in bands, the statistics and that loudness stays were chosen while
looking at the 24 actors of RAVDESS speech in the Luna folds, among a dozen variants.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from multimodal_ser.audio.features import log_mel
from multimodal_ser.audio.features.log_mel import RATE_HZ

__all__ = ["NAME", "RATE_HZ", "VERSION", "extract", "names", "responses"]

NAME = "random_convolutions"
VERSION = 1
#: Frames of 10 ms between the moments that a kernel looks at.
DILATIONS_FRAMES = (1, 2, 4, 8, 16)
N_KERNELS = 100
N_MOMENTS = 9
#: Least and most bands that a kernel sees.
WIDTHS_BANDS = (6, 24)
QUANTILES = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0)
#: The frames' dB, -80 (and all below) to about 20, become -2 to 3.
MIDDLE_DB, _UNIT_DB = -40.0, 20.0
STATISTICS = (*(f"p{round(100 * share):02d}" for share in QUANTILES), "mean", "std")
#: Of the neighbouring bands, in the smoothing of a kernel.
_SMOOTHING = np.array([0.25, 0.75, 1.0, 0.75, 0.25])


class Kernels(NamedTuple):
    """Kernels of one dilation: each is ``outer(moments[:, k], bands[:, k])``, of norm 1.

    Attributes:
        bands: float32 ``(64, 100)``.
        moments: float32 ``(9, 100)``.
    """

    bands: np.ndarray
    moments: np.ndarray


@functools.cache
def names() -> tuple[str, ...]:
    """Return the names, in the order of the values.

    Example:
        >>> len(names()), names()[0], names()[-1]
        (5500, 'kernel_001_every_10ms_p00', 'kernel_100_every_160ms_std')
    """
    return tuple(
        f"kernel_{at:03d}_every_{10 * frames}ms_{statistic}"
        for frames in DILATIONS_FRAMES
        for statistic in STATISTICS
        for at in range(1, N_KERNELS + 1)
    )


def extract(signal: np.ndarray) -> np.ndarray:
    """Return the values of one signal.

    Args:
        signal: mono float32 ``(n_samples,)`` at 16000 Hz, finite.

    Returns:
        float32 ``(5500,)``, finite; see :func:`names`.

    Raises:
        SerError: the signal is empty, not mono, or not finite.

    Example:
        >>> extract(np.zeros(100, np.float32)).shape
        (5500,)
    """
    frames = log_mel.extract(signal)
    return np.concatenate([statistics(responses(frames, d)) for d in DILATIONS_FRAMES])


def responses(frames_db: np.ndarray, dilation_frames: int) -> np.ndarray:
    """Return how strongly each kernel is met at each moment.

    Args:
        frames_db: float32 ``(n_frames, 64)`` of :mod:`log_mel`, in dB.
        dilation_frames: one of :data:`DILATIONS_FRAMES`.

    Returns:
        float32 ``(100, n_frames)``, about -15 to 15: the correlation of the kernel
        with the frames around each, the first and the last frame going on
        for ever.
    """
    bands, moments = kernels(dilation_frames)
    seen = (np.maximum(frames_db, 2 * MIDDLE_DB) - MIDDLE_DB) / _UNIT_DB @ bands
    beyond = dilation_frames * (N_MOMENTS // 2)
    seen = np.pad(seen, ((beyond, beyond), (0, 0)), mode="edge")
    n_frames = len(frames_db)
    found = np.zeros((n_frames, N_KERNELS), np.float32)
    for at, weights in enumerate(moments):
        found += seen[at * dilation_frames :][:n_frames] * weights
    return np.ascontiguousarray(found.T)


@functools.cache
def kernels(dilation_frames: int) -> Kernels:
    """Return the kernels of a dilation, the same on every machine.

    Args:
        dilation_frames: one of :data:`DILATIONS_FRAMES`.
    """
    # NumPy promises the same numbers for ever of this generator alone, and saved
    # models need the same kernels.
    rng = np.random.RandomState(dilation_frames)
    bands = np.zeros((log_mel.N_MELS, N_KERNELS))
    for kernel in bands.T:
        width = rng.randint(WIDTHS_BANDS[0], WIDTHS_BANDS[1] + 1)
        lowest = rng.randint(0, log_mel.N_MELS - width + 1)
        kernel[lowest : lowest + width] = np.convolve(rng.randn(width), _SMOOTHING, "same")
    moments = rng.randn(N_MOMENTS, N_KERNELS)
    moments -= moments.mean(axis=0) * (np.arange(N_KERNELS) % 2)
    bands /= np.linalg.norm(bands, axis=0)
    moments /= np.linalg.norm(moments, axis=0)
    return Kernels(bands.astype(np.float32), moments.astype(np.float32))


def statistics(rows: np.ndarray) -> np.ndarray:
    """Return the statistics of each of ``(n_kernels, n_frames)``, one after the other."""
    ordered = np.sort(rows, axis=1)
    at = np.round(np.array(QUANTILES) * (rows.shape[1] - 1)).astype(int)
    parts = [*ordered[:, at].T, rows.mean(axis=1), rows.std(axis=1)]
    return np.concatenate(parts).astype(np.float32)
