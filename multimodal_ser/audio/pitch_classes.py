"""Pitch classes: tuning, chroma, the constant-Q transform, CENS and tonal centroids.

All agree with librosa's functions of these names with their defaults. What is
done once here and anew at every call there: filters are built once for each of
the hundred tunings that an estimate can give; one set of filters serves all
seven octaves, because a signal at half the rate is an octave higher; and the
tuning looks at spectral peaks alone, not at every bin.

The constant-Q transform and what follows from it repeat librosa's operations in
its precisions and order, and give its values to the bit on the machine that it
runs on. Less would not agree in digital silence: the filters, cut at 1 % of
their size, are faintly open over their whole length, up to three seconds, so
that a silent frame holds the rounding of the sound around it, and chroma,
divided by its own sum, makes that as large as any other.
"""

from __future__ import annotations

import functools

import numpy as np

from multimodal_ser.audio import filters
from multimodal_ser.plugins import require

BINS_PER_OCTAVE = 36
N_OCTAVES = 7
N_CLASSES = 12
#: librosa's default lowest note, C1.
LOWEST_HZ = 32.70319566257483
#: Where ``librosa.piptrack`` looks for peaks, and how far below a frame's largest.
_PEAKS_HZ = (150.0, 4000.0)
_PEAK_SHARE = 0.1
#: Thresholds of Müller & Ewert, "Chroma Toolbox", ISMIR 2011, section 3.3.
_CENS_STEPS = (0.4, 0.2, 0.1, 0.05)
_CENS_FRAMES = 41


def normalised(rows: np.ndarray, order: float) -> np.ndarray:
    """Return rows divided by their norm; a row of zeros stays.

    Args:
        rows: ``(n_rows, n_values)``.
        order: 1, 2 or infinity.

    Example:
        >>> normalised(np.array([[1.0, 4.0], [0.0, 0.0]]), np.inf).tolist()
        [[0.25, 1.0], [0.0, 0.0]]
    """
    # Summed in double precision, as librosa does: CENS turns on thresholds.
    size = np.linalg.norm(rows.astype(np.float64, copy=False), order, axis=1, keepdims=True)
    size[size < np.finfo(rows.dtype).tiny] = 1
    return np.divide(rows, size, dtype=np.float64).astype(rows.dtype, copy=False)


def tuning(spectrum: np.ndarray, rate_hz: int, per_octave: int) -> float:
    """Estimate how far the peaks of a spectrum lie from the notes of A 440 Hz.

    Args:
        spectrum: magnitude or power, float32 ``(n_frames, n_bins)``.
        rate_hz: sampling rate.
        per_octave: notes to an octave.

    Returns:
        One of the hundred lower edges of a histogram of -0.5 to 0.5, in notes;
        0 where there is no peak. As ``librosa.estimate_tuning`` gives it.

    Example:
        >>> tuning(np.zeros((3, 1025), np.float32), 22050, 12)
        0.0
    """
    require("librosa")
    import librosa

    hz, height = _peaks(spectrum, rate_hz)
    if not len(hz):
        return 0.0
    strong = hz[height >= np.median(height)]
    return float(librosa.pitch_tuning(strong, resolution=0.01, bins_per_octave=per_octave))


def _peaks(spectrum: np.ndarray, rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
    """Return frequency and height of each frame's peaks, between bins by a parabola."""
    n_bins = spectrum.shape[1]
    hz = np.linspace(0, rate_hz / 2, n_bins)
    first, last = np.searchsorted(hz, _PEAKS_HZ)
    last = min(last, n_bins - 1)
    here = spectrum[:, first:last]
    before, after = spectrum[:, first - 1 : last - 1], spectrum[:, first + 1 : last + 1]
    least = np.float32(_PEAK_SHARE) * spectrum.max(axis=1, keepdims=True)
    at = np.nonzero((here > before) & (here >= after) & (here > least))
    low, peak, high = (values[at].astype(np.float64) for values in (before, here, after))
    bend, slope = high + low - 2 * peak, (high - low) / 2
    near = np.abs(slope) < np.abs(bend)
    shift = np.where(near, -slope / np.where(near, bend, 1), 0)
    where = (first + at[1] + shift) * rate_hz / (2 * (n_bins - 1))
    return where.astype(np.float32), (peak + slope * shift / 2).astype(np.float32)


@functools.lru_cache(maxsize=256)
def chroma_bank(rate_hz: int, window_samples: int, tuning: float) -> np.ndarray:
    """Return librosa's weights of each bin in each pitch class, float32 ``(n_bins, 12)``.

    Example:
        >>> chroma_bank(22050, 2048, 0.0).shape
        (1025, 12)
    """
    return np.ascontiguousarray(filters.chroma_bank(rate_hz, window_samples, tuning).T)


@functools.cache
def class_bank() -> np.ndarray:
    """Return which constant-Q bin belongs to which pitch class, float32 ``(252, 12)``.

    Example:
        >>> class_bank().sum(axis=0).tolist() == [21.0] * 12
        True
    """
    require("librosa")
    import librosa

    bank = librosa.filters.cq_to_chroma(
        N_OCTAVES * BINS_PER_OCTAVE, bins_per_octave=BINS_PER_OCTAVE, n_chroma=N_CLASSES
    )
    return np.ascontiguousarray(bank.T)


def constant_q(signal: np.ndarray, rate_hz: int, hop_samples: int, tuning: float) -> np.ndarray:
    """Return the magnitude of the constant-Q transform, 36 bins an octave from C1.

    The octaves are transformed from the top, the signal being halved in rate
    before each lower one: Schörkhuber & Klapuri, "Constant-Q transform toolbox
    for music processing", Sound and Music Computing 2010.

    Args:
        signal: mono float32 ``(n_samples,)``.
        rate_hz: its sampling rate, at least 11025 (the highest bin is at 4.1 kHz).
        hop_samples: step between frames, a multiple of 64.
        tuning: offset of the lowest bin, in bins.

    Returns:
        float32 ``(n_frames, 252)``, lowest bin first.

    Example:
        >>> tone = np.sin(2 * np.pi * 440 * np.arange(22050) / 22050).astype(np.float32)
        >>> int(constant_q(tone, 22050, 512, 0.0)[20].argmax())  # A4 is 45 notes above C1
        135
    """
    n_frames = 1 + len(signal) // hop_samples
    first, banks, n_fft, roots = _constant_q_banks(rate_hz, tuning)
    found = np.empty((n_frames, N_OCTAVES, BINS_PER_OCTAVE), np.complex64)
    for octave, bank in enumerate(banks):
        hop = hop_samples >> octave
        padded = np.pad(signal.astype(np.float64), n_fft // 2)[: n_fft + (n_frames - 1) * hop]
        bins = np.empty((bank.shape[1], n_frames), np.complex64)
        for some, block in filters.transforms(padded, np.ones(n_fft), hop):
            bins[:, some] = block[:, first : first + len(bins)].T
        found[:, N_OCTAVES - 1 - octave] = (bank @ bins).T
        if octave + 1 < N_OCTAVES:
            signal = _halved(signal)
    flat = found.reshape(n_frames, -1)
    flat /= roots
    return np.abs(flat)


def _halved(signal: np.ndarray) -> np.ndarray:
    """Return the signal at half its rate and with its energy, as librosa resamples it."""
    import soxr

    wanted = -(-len(signal) // 2)
    half = soxr.resample(signal, 2, 1, quality="soxr_hq")[:wanted]
    # A float64 root: librosa divides in double precision too.
    return np.pad(half / np.sqrt(0.5), (0, wanted - len(half))).astype(np.float32)


@functools.lru_cache(maxsize=128)
def _constant_q_banks(rate_hz: int, tuning: float) -> tuple[int, list, int, np.ndarray]:
    """Return the filters of each octave, and what else the transform needs of them.

    They are those of the top octave times a gain: halving the rate halves the
    filters' lengths in samples, and the root of that is all there is to make up.

    Returns:
        The first bin read; from the top octave down, sparse complex64
        ``(36, n_bins)``; the transform's length in samples; the root of all
        252 lengths.
    """
    require("librosa")
    import librosa
    import scipy.fft

    lowest_hz = LOWEST_HZ * 2.0 ** (tuning / BINS_PER_OCTAVE)
    hz = librosa.interval_frequencies(
        N_OCTAVES * BINS_PER_OCTAVE,
        fmin=lowest_hz,
        intervals="equal",
        bins_per_octave=BINS_PER_OCTAVE,
    )
    lengths, _ = librosa.filters.wavelet_lengths(freqs=hz, sr=rate_hz)
    top = slice(-BINS_PER_OCTAVE, None)
    bandwidths = rate_hz / (hz * lengths)
    waves, _ = librosa.filters.wavelet(freqs=hz[top], sr=rate_hz, alpha=bandwidths[top])
    n_fft = waves.shape[1]
    # Single precision throughout, the transform too, as librosa builds them.
    waves *= lengths[top, None] / n_fft
    spectrum = scipy.fft.fft(waves, axis=1)[:, : n_fft // 2 + 1]
    bank = librosa.util.sparsify_rows(spectrum, quantile=0.01)
    first, last = bank.indices.min(), bank.indices.max()
    gains = np.sqrt(2.0 ** np.arange(N_OCTAVES))
    banks = [(bank[:, first : last + 1] * gain).astype(np.complex64) for gain in gains]
    return int(first), banks, n_fft, np.sqrt(lengths)


def cens(chroma: np.ndarray) -> np.ndarray:
    """Return chroma energy normalised statistics: quantised, smoothed over 41 frames.

    Args:
        chroma: at least 0, ``(n_frames, 12)``.

    Returns:
        The same shape; a frame's squares sum to 1, or to 0 in silence. Müller,
        Kurth & Clausen, "Audio matching via chroma-based statistical
        features", ISMIR 2005.

    Example:
        >>> cens(np.ones((3, 12))).round(2)[0, 0]
        np.float64(0.29)
    """
    from scipy.ndimage import convolve1d

    share = normalised(chroma, 1)
    steps = sum((share > step) * share.dtype.type(0.25) for step in _CENS_STEPS)
    window = np.hanning(_CENS_FRAMES + 2)
    smooth = convolve1d(steps, window / window.sum(), axis=0, mode="constant")
    return normalised(smooth, 2)


def tonnetz(chroma: np.ndarray) -> np.ndarray:
    """Return the tonal centroid of each frame.

    Args:
        chroma: at least 0, ``(n_frames, 12)``.

    Returns:
        ``(n_frames, 6)``: sine and cosine on the circles of fifths, minor
        thirds and major thirds. Harte, Sandler & Gasser, "Detecting harmonic
        change in musical audio", ACM Multimedia 2006.

    Example:
        >>> tonnetz(np.ones((1, 12))).round(6)[0].tolist() == [0.0] * 6
        True
    """
    # By the largest first, as librosa does: a sum near the least number is no number.
    share = normalised(normalised(chroma, np.inf), 1)
    return share @ _tonal_axes()


@functools.cache
def _tonal_axes() -> np.ndarray:
    turns: np.ndarray = np.repeat([7 / 6, 3 / 2, 2 / 3], 2)[:, None] * np.arange(N_CLASSES)
    turns[::2] -= 0.5  # of pi: a sine
    return (np.repeat([1, 1, 0.5], 2)[:, None] * np.cos(np.pi * turns)).T
