"""Windows, transforms, filter banks and peaks of sound, written out in NumPy.

librosa and SciPy have each of them, and the tests hold these equal to theirs;
but importing those two takes a second, more than all the rest of predicting a
clip.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

#: M. Slaney, "Auditory Toolbox", 1998: mels are linear up to 1 kHz, 15 a
#: kilohertz, and logarithmic above, 27 for a factor of 6.4.
_LINEAR_UP_TO_HZ, _HZ_A_MEL = 1000.0, 200 / 3
_LOG_STEP = np.log(6.4) / 27
_N_CLASSES = 12
#: Pitch classes are counted from 27.5 Hz, an A; the fifth octave weighs most,
#: those two away exp(-1/2) as much (D. Ellis, "Chroma feature analysis and
#: synthesis", 2007).
_LOWEST_A_HZ, _MIDDLE_OCTAVE, _OCTAVE_WIDTH = 27.5, 5.0, 2.0
_C_ABOVE_A = 3
#: Frames that are transformed at once: few enough to stay in the processor's cache,
#: and for the allocator not to hand memory back and fetch it again every time.
_FRAMES_TOGETHER = 32


def hann(samples: int) -> np.ndarray:
    """Return a periodic Hann window, float64 ``(samples,)``.

    Example:
        >>> hann(4).round(6).tolist()
        [0.0, 0.5, 1.0, 0.5]
    """
    return 0.5 + 0.5 * np.cos(np.linspace(-np.pi, np.pi, samples + 1)[:-1])


def transforms(
    padded: np.ndarray, window: np.ndarray, hop_samples: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the Fourier transform of every window of a padded signal, some at a time.

    Args:
        padded: real ``(n_samples,)``, at least one window long.
        window: float64 ``(window_samples,)``.
        hop_samples: step between windows.

    Yields:
        Which frames, and their bins, complex64 ``(frames, window_samples / 2 + 1)``:
        computed in double precision and kept in single, as ``librosa.stft`` does.
        The next ones overwrite them.

    Example:
        >>> [(frames, bins.shape) for frames, bins in transforms(np.ones(8), np.ones(4), 2)]
        [(slice(0, 3, None), (3, 3))]
    """
    # Double precision before windowing: every sample is in four windows.
    padded = padded.astype(np.float64, copy=False)
    frames = np.lib.stride_tricks.sliding_window_view(padded, len(window))[::hop_samples]
    together = min(_FRAMES_TOGETHER, len(frames))
    windowed = np.empty((together, len(window)))
    shape = (together, len(window) // 2 + 1)
    double, single = np.empty(shape, np.complex128), np.empty(shape, np.complex64)
    for first in range(0, len(frames), together):
        some = slice(first, min(first + together, len(frames)))
        used = slice(some.stop - some.start)
        np.multiply(frames[some], window, out=windowed[used])
        np.fft.rfft(windowed[used], axis=1, out=double[used])
        np.copyto(single[used], double[used], casting="same_kind")
        yield some, single[used]


def mel_bank(
    rate_hz: int, window_samples: int, n_mels: int, highest_hz: float | None = None
) -> np.ndarray:
    """Return triangular filters, evenly spaced in mels from 0 Hz, each of area 1.

    Args:
        rate_hz: sampling rate.
        window_samples: length of the transform.
        n_mels: number of bands.
        highest_hz: upper edge of the last; None takes half the rate.

    Returns:
        float32 ``(n_mels, window_samples / 2 + 1)``: ``librosa.filters.mel``.

    Example:
        >>> bank = mel_bank(22050, 2048, 40)
        >>> bank.shape, int(bank[0].argmax())
        ((40, 1025), 8)
    """
    highest = _mels(rate_hz / 2 if highest_hz is None else highest_hz)
    edges = _mel_hz(np.linspace(0, highest, n_mels + 2))
    bins = np.fft.rfftfreq(window_samples, 1 / rate_hz)
    ramps, widths = edges[:, None] - bins, np.diff(edges)[:, None]
    rising, falling = -ramps[:-2] / widths[:-1], ramps[2:] / widths[1:]
    bank = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    return (bank * (2 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


def _mels(hz: float) -> float:
    if hz < _LINEAR_UP_TO_HZ:
        return hz / _HZ_A_MEL
    return _LINEAR_UP_TO_HZ / _HZ_A_MEL + np.log(hz / _LINEAR_UP_TO_HZ) / _LOG_STEP


def _mel_hz(mels: np.ndarray) -> np.ndarray:
    above = mels - _LINEAR_UP_TO_HZ / _HZ_A_MEL
    logarithmic = _LINEAR_UP_TO_HZ * np.exp(_LOG_STEP * np.maximum(above, 0))
    return np.where(above >= 0, logarithmic, mels * _HZ_A_MEL)


def chroma_bank(rate_hz: int, window_samples: int, tuning: float = 0.0) -> np.ndarray:
    """Return how much each bin belongs to each of the twelve pitch classes.

    Args:
        rate_hz: sampling rate.
        window_samples: length of the transform.
        tuning: offset from A at 440 Hz in semitones.

    Returns:
        float32 ``(12, window_samples / 2 + 1)``, C first: ``librosa.filters.chroma``.

    Example:
        >>> int(chroma_bank(22050, 2048)[:, 41].argmax())  # 441 Hz is an A
        9
    """
    hz = np.linspace(0, rate_hz, window_samples, endpoint=False)[1:]
    notes = _N_CLASSES * np.log2(hz / _LOWEST_A_HZ) - tuning
    # 0 Hz has no pitch: it is put one and a half octaves below the first bin.
    notes = np.concatenate([[notes[0] - 1.5 * _N_CLASSES], notes])
    widths = np.concatenate([np.maximum(np.diff(notes), 1), [1]])
    half = _N_CLASSES // 2
    apart = notes - np.arange(_N_CLASSES)[:, None] + half
    apart = np.remainder(apart, _N_CLASSES) - half
    bank = np.exp(-0.5 * (2 * apart / widths) ** 2)
    bank /= np.sqrt((bank**2).sum(axis=0))
    bank *= np.exp(-0.5 * ((notes / _N_CLASSES - _MIDDLE_OCTAVE) / _OCTAVE_WIDTH) ** 2)
    bank = np.roll(bank, -_C_ABOVE_A, axis=0)
    return bank[:, : window_samples // 2 + 1].astype(np.float32)


def count_peaks(values: np.ndarray, prominence: float) -> int:
    """Return how many peaks rise at least so far above the higher of their two valleys.

    Args:
        values: ``(n,)``.
        prominence: how far; a valley reaches to the next higher value, or to
            the end: ``scipy.signal.find_peaks``.

    Example:
        >>> int(count_peaks(np.array([0, 3, 2, 9, 0, 5, 5, 1]), 2))
        2
    """
    # Of equal neighbours one is kept: a flat top is one peak.
    steps = np.concatenate([[True], np.diff(values) != 0])
    values = values[steps]
    inner = values[1:-1]
    peaks = np.flatnonzero((inner > values[:-2]) & (inner > values[2:])) + 1
    return sum(_prominence(values, peak) >= prominence for peak in peaks.tolist())


def _prominence(values: np.ndarray, peak: int) -> float:
    valleys = []
    for side in (values[peak::-1], values[peak:]):
        higher = np.flatnonzero(side > values[peak])
        valleys.append(side[: higher[0] if len(higher) else None].min())
    return values[peak] - max(valleys)
