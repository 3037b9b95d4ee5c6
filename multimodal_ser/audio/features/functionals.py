"""Statistics over time of everything that one spectrogram tells about a voice.

At 22050 Hz (window 2048, hop 512 samples) 204 values a frame: 40 MFCC, their
delta and delta-delta, 40 mel bands, 7 spectral contrasts, 12 chroma, 12
descriptions of the spectrum's shape with their deltas, and how harmonic the
frame is. Twelve statistics of each are taken between the first and the last
loud frame, and mean and deviation of some over voiced frames; with the
statistics of the pitch and of the clip's timing that makes 2669 values.

MFCC, contrast, chroma, centroid, bandwidth, roll-off, flatness, zero crossings
and RMS agree with librosa's functions of these names (chroma with ``tuning=0``).
Pitch is the
highest peak of the autocorrelation divided by that of the window (Boersma,
"Accurate short-term analysis of the fundamental frequency", IFA Proceedings 17,
1993), taken from the same transform; alpha ratio and Hammarberg index are those
of eGeMAPS (Eyben et al., IEEE Trans. Affective Computing 7(2), 2016).

What was chosen by looking at RAVDESS speech: the part between the loud frames
instead of the whole clip, and which blocks and statistics to keep, by
cross-validation over the 24 actors in the HiCMAE folds. There are no other
actors, so a score on the Luna folds is not untouched by that choice.
"""

from __future__ import annotations

import functools

import numpy as np

from multimodal_ser.audio.filters import count_peaks
from multimodal_ser.audio.spectra import (
    HOP_SAMPLES,
    LEAST_POWER,
    RATE_HZ,
    WINDOW_SAMPLES,
    Spectra,
    banded,
    decibels,
    delta,
    hann,
    mel_blocks,
    spectra_of,
)

NAME = "functionals"
VERSION = 2
N_MFCC = 40
N_MELS = 40
MEL_HIGHEST_HZ = 8000
#: Frames this far below the loudest are silence.
LOUD_DB = 35.0
#: Pitch range, and the harmonicity above which a frame is voiced.
PITCH_HZ = (60, 600)
VOICED = 0.45
#: An octave higher must be this much less harmonic to lose against the lower.
OCTAVE_COST = 0.01

_SHAPE = (
    "centroid_hz",
    "bandwidth_hz",
    "rolloff85_hz",
    "rolloff50_hz",
    "flatness_db",
    "zero_crossing_rate",
    "rms_db",
    "alpha_ratio_db",
    "hammarberg_db",
    "treble_ratio_db",
    "flux",
    "slope_db_per_octave",
)
_STATISTICS = (
    "mean",
    "std",
    "skewness",
    "kurtosis",
    "trend",
    "min",
    "p05",
    "p25",
    "median",
    "p75",
    "p95",
    "max",
)
_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_TIMING = (
    "loud_seconds",
    "clip_seconds",
    "lead_seconds",
    "tail_seconds",
    "voiced_share",
    "voiced_runs_per_second",
    "voiced_run_mean_seconds",
    "voiced_run_std_seconds",
    "pause_share",
    "loud_runs_per_second",
    "loudness_peaks_per_second",
    "loudest_at_share",
)


def _numbered(name: str, count: int, unit: str = "") -> tuple[str, ...]:
    return tuple(f"{name}_{at:02d}{unit}" for at in range(1, count + 1))


#: Names of the rows of each block of :func:`series`.
BLOCKS = {
    "mfcc": _numbered("mfcc", N_MFCC),
    "delta": _numbered("delta", N_MFCC),
    "delta2": _numbered("delta2", N_MFCC),
    "mel": _numbered("mel", N_MELS, "_db"),
    "contrast": _numbered("contrast", 7, "_db"),
    "chroma": _numbered("chroma", 12),
    "shape": _SHAPE,
    "shape_delta": tuple(f"delta_{name}" for name in _SHAPE),
    "harmonicity": ("harmonicity",),
}
#: Blocks whose mean and deviation over voiced frames are kept too.
_VOICED_BLOCKS = ("mfcc", "mel", "shape")


@functools.cache
def names() -> tuple[str, ...]:
    """Return the names, in the order of the values.

    Example:
        >>> len(names()), names()[0], names()[-1]
        (2669, 'mfcc_01_mean', 'loudest_at_share')
    """
    rows = [name for block in BLOCKS.values() for name in block]
    voiced = [name for block in _VOICED_BLOCKS for name in BLOCKS[block]]
    return (
        *(f"{name}_{statistic}" for statistic in _STATISTICS for name in rows),
        *(f"{name}_voiced_{statistic}" for statistic in ("mean", "std") for name in voiced),
        *(f"pitch_semitones_{statistic}" for statistic in _STATISTICS),
        *(f"pitch_step_semitones_{statistic}" for statistic in _STATISTICS),
        "pitch_step_semitones_mean_size",
        *_TIMING,
    )


def extract(sound: np.ndarray | Spectra) -> np.ndarray:
    """Return the values of one signal.

    Args:
        sound: mono float32 ``(n_samples,)`` at 22050 Hz, finite, or its spectra.

    Returns:
        float32 ``(2669,)``, finite; see :func:`names`. Pitch is 0 throughout
        where fewer than three frames are voiced.

    Raises:
        SerError: the signal is empty, not mono, or not finite.

    Example:
        >>> extract(np.zeros(22050, np.float32)).shape
        (2669,)
    """
    spectra = spectra_of(sound)
    frames = series(spectra)
    pitch = frames.pop("pitch")[0]
    loudness_db = frames["shape"][_SHAPE.index("rms_db")]
    loud = loudness_db > loudness_db.max() - LOUD_DB
    first, last = np.flatnonzero(loud)[[0, -1]]
    part = slice(first, last + 1)
    voiced = loud & (frames["harmonicity"][0] > VOICED)
    chosen = np.concatenate([frames[block] for block in _VOICED_BLOCKS])
    if voiced.sum() >= 3:
        chosen = chosen[:, voiced]
    values = [
        *statistics(np.concatenate(list(frames.values()))[:, part]),
        *(chosen.mean(axis=1), chosen.std(axis=1)),
        *_pitch_values(pitch, voiced),
        _timing(loudness_db, loud, voiced, part, len(spectra.signal)),
    ]
    return np.concatenate(values).astype(np.float32)


def series(sound: np.ndarray | Spectra) -> dict[str, np.ndarray]:
    """Return the values of every frame.

    Args:
        sound: mono float32 ``(n_samples,)`` at 22050 Hz, finite, or its spectra.

    Returns:
        Block -> float ``(n_rows, n_frames)`` with the rows of :data:`BLOCKS`,
        and ``pitch``, ``(1, n_frames)`` in semitones above 27.5 Hz, which
        means something in voiced frames only. Frame ``i`` is centred on sample
        ``512 i``, as in librosa.

    Raises:
        SerError: the signal is empty, not mono, or not finite.

    Example:
        >>> series(np.zeros(22050, np.float32))["chroma"].shape
        (12, 44)
    """
    spectra = spectra_of(sound)
    mfcc = spectra.mfcc(N_MFCC)
    mel_blocks_40 = mel_blocks(RATE_HZ, WINDOW_SAMPLES, N_MELS, MEL_HIGHEST_HZ)
    shape = _shape(spectra)
    pitch, harmonicity = _pitch(spectra.power)
    found = {
        "mfcc": mfcc,
        "delta": delta(mfcc, 1),
        "delta2": delta(mfcc, 2),
        "mel": decibels(banded(spectra.magnitude, mel_blocks_40)),
        "contrast": spectra.contrast_db,
        "chroma": spectra.chroma(tuning=0.0),
        "shape": shape,
        "shape_delta": delta(shape, 1),
        "harmonicity": harmonicity[:, None],
        "pitch": pitch[:, None],
    }
    return {name: rows.T for name, rows in found.items()}


def _shape(spectra: Spectra) -> np.ndarray:
    """Return the twelve descriptions of the spectrum's shape, ``(n_frames, 12)``."""
    hz, power, magnitude = spectra.frequencies_hz, spectra.power, spectra.magnitude
    share = magnitude / np.maximum(magnitude.sum(axis=1), np.finfo(np.float32).tiny)[:, None]
    spread = np.einsum("tf,tf->t", (hz - spectra.centroid_hz[:, None]) ** 2, share)
    flux = np.sqrt((np.diff(share, axis=0, prepend=share[:1]) ** 2).sum(axis=1))
    return np.stack(
        [
            spectra.centroid_hz,
            np.sqrt(spread),
            spectra.rolloff_hz(0.85),
            spectra.rolloff_hz(0.5),
            decibels(spectra.flatness, None),
            spectra.zero_crossing_rate,
            decibels(spectra.rms**2, None),
            *_balances(power, hz),
            flux,
            _slope(spectra.log_power, hz),
        ],
        axis=1,
    )


def _balances(power: np.ndarray, hz: np.ndarray) -> list[np.ndarray]:
    """Return alpha ratio, Hammarberg index and the share above 5 kHz, in dB."""

    def band(low_hz: float, high_hz: float) -> np.ndarray:
        return power[:, (hz >= low_hz) & (hz < high_hz)]

    low = decibels(band(50, 1000).sum(axis=1), None)
    middle = decibels(band(1000, 5000).sum(axis=1), None)
    high = decibels(band(5000, 11000).sum(axis=1), None)
    below = decibels(band(0, 2000).max(axis=1), None)
    above = decibels(band(2000, 5000).max(axis=1), None)
    return [low - middle, below - above, high - low]


def _slope(logs: np.ndarray, hz: np.ndarray) -> np.ndarray:
    """Return the line through the spectrum from 20 Hz to 5 kHz, in dB an octave."""
    bins = (hz > 20) & (hz < 5000)
    octaves = np.log2(hz[bins])
    octaves -= octaves.mean()
    return logs[:, bins] @ octaves / (octaves @ octaves) * (10 / np.log(10))


def _pitch(power: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pitch in semitones above 27.5 Hz and harmonicity 0 to 1, ``(n_frames,)`` each."""
    shortest, longest = (RATE_HZ // hz for hz in reversed(PITCH_HZ))
    # Of complex input NumPy gives SciPy's values to the bit, and without its import of 0.1 s.
    lags = np.fft.irfft(power.astype(np.complex64), axis=1)[:, : longest + 2]
    lags = lags / np.maximum(lags[:, :1], LEAST_POWER) / _window_lags()[: longest + 2]
    cost = OCTAVE_COST * np.log2(np.arange(shortest, longest + 1) / shortest)
    best = shortest + np.argmax(lags[:, shortest : longest + 1] - cost, axis=1)
    frame = np.arange(len(power))
    before, peak, after = (lags[frame, best + step] for step in (-1, 0, 1))
    bend = before - 2 * peak + after
    # A parabola through three lags finds the peak between samples.
    shift = 0.5 * (before - after) / np.where(np.abs(bend) > 1e-9, bend, np.inf)
    seconds = (best + np.clip(shift, -1, 1)) / RATE_HZ
    return -12 * np.log2(27.5 * seconds), np.clip(peak, 0, 1)


@functools.cache
def _window_lags() -> np.ndarray:
    lags = np.fft.irfft(np.abs(np.fft.rfft(hann(WINDOW_SAMPLES))) ** 2)
    return (lags / lags[0]).astype(np.float32)


def statistics(rows: np.ndarray) -> list[np.ndarray]:
    """Return twelve statistics of each row: see ``names``.

    Args:
        rows: float ``(n_rows, n_frames)``, at least one frame, finite.

    Returns:
        Twelve float64 arrays ``(n_rows,)``: mean, standard deviation, skewness,
        excess kurtosis (both 0 for a constant), covariance with time running
        from -1 to 1, and the quantiles 0, 5, 25, 50, 75, 95 and 100 %.

    Example:
        >>> [float(value[0]) for value in statistics(np.array([[1.0, 2.0, 3.0]]))][:2]
        [2.0, 0.816496580927726]
    """
    rows = np.asarray(rows, dtype=np.float64)
    mean = rows.mean(axis=1)
    centred = rows - mean[:, None]
    deviation = np.sqrt((centred * centred).mean(axis=1))
    scaled = centred / np.maximum(deviation, 1e-6)[:, None]
    constant = deviation < 1e-6
    squares = scaled * scaled  # NumPy's ** 3 and ** 4 call pow() for each number
    cubes = np.where(constant, 0, (squares * scaled).mean(axis=1))
    fourths = np.where(constant, 0, (squares * squares).mean(axis=1) - 3)
    trend = centred @ np.linspace(-1, 1, rows.shape[1]) / rows.shape[1]
    return [mean, deviation, cubes, fourths, trend, *_quantiles(rows)]


def _quantiles(rows: np.ndarray) -> np.ndarray:
    ordered = np.sort(rows, axis=1)
    at = np.array(_QUANTILES) * (rows.shape[1] - 1)
    low = np.floor(at).astype(int)
    high = np.ceil(at).astype(int)
    return (ordered[:, low] + (at - low) * (ordered[:, high] - ordered[:, low])).T


def _pitch_values(pitch: np.ndarray, voiced: np.ndarray) -> list[np.ndarray]:
    level = pitch[voiced] if voiced.sum() >= 3 else np.zeros(3)
    steps = np.diff(pitch)[voiced[1:] & voiced[:-1]]
    # A step of more than half an octave in 23 ms is an octave error.
    steps = np.clip(steps, -6, 6) if len(steps) >= 3 else np.zeros(3)
    found = [*statistics(level[None]), *statistics(steps[None])]
    return [*found, np.abs(steps).mean(keepdims=True)]


def _timing(loudness_db, loud, voiced, part: slice, n_samples: int) -> np.ndarray:
    """Return the values of ``_TIMING``."""
    hop_seconds = HOP_SAMPLES / RATE_HZ
    seconds = (part.stop - part.start) * hop_seconds
    runs = _run_lengths(voiced) * hop_seconds
    inside = loudness_db[part]
    return np.array(
        [
            seconds,
            n_samples / RATE_HZ,
            part.start * hop_seconds,
            (len(loud) - part.stop) * hop_seconds,
            voiced[part].mean(),
            len(runs) / seconds,
            runs.mean() if len(runs) else 0.0,
            runs.std() if len(runs) else 0.0,
            1 - loud[part].mean(),
            len(_run_lengths(loud)) / seconds,
            count_peaks(inside, 6) / seconds,
            np.argmax(inside) / len(inside),
        ]
    )


def _run_lengths(flags: np.ndarray) -> np.ndarray:
    steps = np.diff(np.concatenate([[0], flags.astype(int), [0]]))
    return np.flatnonzero(steps == -1) - np.flatnonzero(steps == 1)
