"""Statistics over time of everything that one spectrogram tells about a voice.

At 22050 Hz (window 2048, hop 512 samples) 204 values a frame: 40 MFCC, their
delta and delta-delta, 40 mel bands, 7 spectral contrasts, 12 chroma, 12
descriptions of the spectrum's shape with their deltas, and how harmonic the
frame is. Twelve statistics of each are taken between the first and the last
loud frame, and mean and deviation of some over voiced frames; with the
statistics of the pitch and of the clip's timing that makes 2669 values.

MFCC, contrast, chroma, centroid, bandwidth, roll-off, flatness, zero crossings
and RMS agree with librosa's functions of these names (chroma with ``tuning=0``),
but all are made of one transform, as system B's features are not. Pitch is the
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

from multimodal_ser.errors import SerError

NAME = "functionals"
VERSION = 1
RATE_HZ = 22050
WINDOW_SAMPLES = 2048
HOP_SAMPLES = 512
N_MFCC = 40
N_MELS = 40
MEL_HIGHEST_HZ = 8000
#: librosa's default length of the regression window of a delta, in frames.
DELTA_FRAMES = 9
#: Frames this far below the loudest are silence.
LOUD_DB = 35.0
#: Pitch range, and the harmonicity above which a frame is voiced.
PITCH_HZ = (60, 600)
VOICED = 0.45
#: An octave higher must be this much less harmonic to lose against the lower.
OCTAVE_COST = 0.01
#: The least power that counts, and the reach of a decibel scale below its peak.
_LEAST = 1e-10
_REACH_DB = 80.0

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


def extract(signal: np.ndarray) -> np.ndarray:
    """Return the values of one signal.

    Args:
        signal: mono float32 ``(n_samples,)`` at 22050 Hz, finite.

    Returns:
        float32 ``(2669,)``, finite; see :func:`names`. Pitch is 0 throughout
        where fewer than three frames are voiced.

    Raises:
        SerError: the signal is empty or not one-dimensional.

    Example:
        >>> extract(np.zeros(22050, np.float32)).shape
        (2669,)
    """
    frames = series(signal)
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
        _timing(loudness_db, loud, voiced, part, len(signal)),
    ]
    return np.concatenate(values).astype(np.float32)


def series(signal: np.ndarray) -> dict[str, np.ndarray]:
    """Return the values of every frame.

    Args:
        signal: mono float32 ``(n_samples,)`` at 22050 Hz, finite.

    Returns:
        Block -> float ``(n_rows, n_frames)`` with the rows of :data:`BLOCKS`,
        and ``pitch``, ``(1, n_frames)`` in semitones above 27.5 Hz, which
        means something in voiced frames only. Frame ``i`` is centred on sample
        ``512 i``, as in librosa.

    Raises:
        SerError: the signal is empty or not one-dimensional.

    Example:
        >>> series(np.zeros(22050, np.float32))["chroma"].shape
        (12, 44)
    """
    import librosa
    from scipy.fft import dct

    if signal.ndim != 1 or not len(signal):
        raise SerError(f"a signal of shape {signal.shape} has no features; give mono samples")
    # Padded here and not by librosa, which warns of a clip below one window.
    padded = np.pad(signal, WINDOW_SAMPLES // 2)
    spectrum = librosa.stft(padded, n_fft=WINDOW_SAMPLES, hop_length=HOP_SAMPLES, center=False)
    power = spectrum.real**2 + spectrum.imag**2
    magnitude = np.sqrt(power)
    banks = _banks()
    mfcc = dct(_decibels(banks["mel128"] @ power), axis=0, norm="ortho")[:N_MFCC]
    chroma = banks["chroma"] @ power
    shape = _shape(signal, padded, power, magnitude)
    pitch, harmonicity = _pitch(power)
    return {
        "mfcc": mfcc,
        "delta": _delta(mfcc, 1),
        "delta2": _delta(mfcc, 2),
        "mel": _decibels(banks["mel"] @ power),
        "contrast": _contrast(magnitude),
        "chroma": chroma / np.maximum(chroma.max(axis=0), np.finfo(np.float32).tiny),
        "shape": shape,
        "shape_delta": _delta(shape, 1),
        "harmonicity": harmonicity[None],
        "pitch": pitch[None],
    }


@functools.cache
def _banks() -> dict[str, np.ndarray]:
    import librosa

    shape = {"sr": RATE_HZ, "n_fft": WINDOW_SAMPLES}
    window = np.hanning(WINDOW_SAMPLES + 1)[:-1]
    lags = np.fft.irfft(np.abs(np.fft.rfft(window)) ** 2)
    return {
        "mel128": librosa.filters.mel(**shape),
        "mel": librosa.filters.mel(**shape, n_mels=N_MELS, fmax=MEL_HIGHEST_HZ),
        "chroma": librosa.filters.chroma(**shape, tuning=0.0),
        "hz": librosa.fft_frequencies(**shape).astype(np.float32),
        "window_lags": (lags / lags[0]).astype(np.float32),
    }


def _decibels(power: np.ndarray, reach_db: float | None = _REACH_DB) -> np.ndarray:
    """Return 10 log10, as ``librosa.power_to_db`` does."""
    values = 10 * np.log10(np.maximum(power, _LEAST))
    return values if reach_db is None else np.maximum(values, values.max() - reach_db)


def _delta(values: np.ndarray, order: int) -> np.ndarray:
    import librosa

    # The default fits a line through nine frames at the edges too; a clip of
    # fewer frames (under 0.2 s) is continued by its edge frames instead.
    mode = "interp" if values.shape[1] >= DELTA_FRAMES else "nearest"
    return librosa.feature.delta(values, order=order, mode=mode)


def _contrast(magnitude: np.ndarray) -> np.ndarray:
    """Return peaks against valleys in seven octave bands, as librosa does, ``(7, n_frames)``.

    Jiang et al., "Music type classification by spectral contrast feature",
    ICME 2002. The strongest and weakest 2 % are found by partition where
    librosa sorts the whole band.
    """
    hz = _banks()["hz"]
    edges = [0.0, *(200.0 * 2.0 ** np.arange(7))]
    peaks, valleys = [], []
    for band in range(7):
        inside = np.flatnonzero((hz >= edges[band]) & (hz <= edges[band + 1]))
        first = inside[0] - (band > 0)
        last = len(hz) if band == 6 else inside[-1] + 1
        count = max(int(np.rint(0.02 * (last - first))), 1)
        rows = magnitude[first : last - (band < 6)]
        rows = np.partition(rows, (count - 1, len(rows) - count), axis=0)
        valleys.append(rows[:count].mean(axis=0))
        peaks.append(rows[-count:].mean(axis=0))
    return _decibels(np.stack(peaks)) - _decibels(np.stack(valleys))


def _shape(signal, padded, power, magnitude) -> np.ndarray:
    """Return the twelve descriptions of the spectrum's shape, ``(12, n_frames)``."""
    hz = _banks()["hz"]
    share = magnitude / np.maximum(magnitude.sum(axis=0), np.finfo(np.float32).tiny)
    centroid = hz @ share
    spread = ((hz[:, None] - centroid) ** 2 * share).sum(axis=0)
    logs = np.log(np.maximum(power, _LEAST))
    flatness = np.exp(logs.mean(axis=0)) / np.maximum(power, _LEAST).mean(axis=0)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[::HOP_SAMPLES]
    mean_square = np.einsum("ts,ts->t", frames, frames) / WINDOW_SAMPLES
    flux = np.sqrt((np.diff(share, axis=1, prepend=share[:, :1]) ** 2).sum(axis=0))
    return np.stack(
        [
            centroid,
            np.sqrt(spread),
            *_rolloffs(magnitude, hz),
            _decibels(flatness, None),
            _zero_crossings(signal),
            _decibels(mean_square, None),
            *_balances(power, hz),
            flux,
            _slope(logs, hz),
        ]
    )


def _rolloffs(magnitude: np.ndarray, hz: np.ndarray) -> list[np.ndarray]:
    running = np.cumsum(magnitude, axis=0)
    return [hz[np.argmax(running >= share * running[-1], axis=0)] for share in (0.85, 0.5)]


def _zero_crossings(signal: np.ndarray) -> np.ndarray:
    padded = np.pad(signal, WINDOW_SAMPLES // 2, mode="edge")
    negative = np.signbit(np.where(np.abs(padded) <= 1e-10, 0.0, padded))
    # Crossings up to each sample: a frame's number is a difference of two.
    count = np.concatenate([[0], np.cumsum(negative[1:] != negative[:-1])])
    starts = np.arange(0, len(padded) - WINDOW_SAMPLES + 1, HOP_SAMPLES)
    return (count[starts + WINDOW_SAMPLES - 1] - count[starts]) / WINDOW_SAMPLES


def _balances(power: np.ndarray, hz: np.ndarray) -> list[np.ndarray]:
    """Return alpha ratio, Hammarberg index and the share above 5 kHz, in dB."""

    def band(low_hz: float, high_hz: float) -> np.ndarray:
        return power[(hz >= low_hz) & (hz < high_hz)]

    low = _decibels(band(50, 1000).sum(axis=0), None)
    middle = _decibels(band(1000, 5000).sum(axis=0), None)
    high = _decibels(band(5000, 11000).sum(axis=0), None)
    below = _decibels(band(0, 2000).max(axis=0), None)
    above = _decibels(band(2000, 5000).max(axis=0), None)
    return [low - middle, below - above, high - low]


def _slope(logs: np.ndarray, hz: np.ndarray) -> np.ndarray:
    """Return the line through the spectrum from 20 Hz to 5 kHz, in dB an octave."""
    rows = (hz > 20) & (hz < 5000)
    octaves = np.log2(hz[rows])
    octaves -= octaves.mean()
    return octaves @ logs[rows] / (octaves @ octaves) * (10 / np.log(10))


def _pitch(power: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pitch in semitones above 27.5 Hz and harmonicity 0 to 1, ``(n_frames,)`` each."""
    from scipy.fft import irfft

    shortest, longest = (RATE_HZ // hz for hz in reversed(PITCH_HZ))
    lags = irfft(power, axis=0)[: longest + 2]
    lags = lags / np.maximum(lags[0], _LEAST) / _banks()["window_lags"][: longest + 2, None]
    cost = OCTAVE_COST * np.log2(np.arange(shortest, longest + 1) / shortest)
    best = shortest + np.argmax(lags[shortest : longest + 1] - cost[:, None], axis=0)
    frame = np.arange(power.shape[1])
    before, peak, after = (lags[best + step, frame] for step in (-1, 0, 1))
    bend = before - 2 * peak + after
    # A parabola through three lags finds the peak between samples.
    shift = 0.5 * (before - after) / np.where(np.abs(bend) > 1e-9, bend, np.inf)
    seconds = (best + np.clip(shift, -1, 1)) / RATE_HZ
    return -12 * np.log2(27.5 * seconds), np.clip(peak, 0, 1)


def statistics(rows: np.ndarray) -> list[np.ndarray]:
    """Return twelve statistics of each row: see ``names``.

    Args:
        rows: float ``(n_rows, n_frames)``, at least one frame, finite.

    Returns:
        Twelve float64 arrays ``(n_rows,)``: mean, standard deviation, skewness,
        excess kurtosis (both 0 for a constant), covariance with time running
        from -1 to 1, and the quantiles 0, 5, 25, 50, 75, 95 and 100 %.

    Example:
        >>> [float(value[0]) for value in statistics(np.array([[1.0, 2.0, 3.0]]))][:3]
        [2.0, 0.816496580927726, 0.0]
    """
    rows = np.asarray(rows, dtype=np.float64)
    mean = rows.mean(axis=1)
    centred = rows - mean[:, None]
    deviation = np.sqrt((centred**2).mean(axis=1))
    scaled = centred / np.maximum(deviation, 1e-6)[:, None]
    constant = deviation < 1e-6
    cubes = np.where(constant, 0, (scaled**3).mean(axis=1))
    fourths = np.where(constant, 0, (scaled**4).mean(axis=1) - 3)
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
    from scipy.signal import find_peaks

    hop_seconds = HOP_SAMPLES / RATE_HZ
    seconds = (part.stop - part.start) * hop_seconds
    runs = _run_lengths(voiced) * hop_seconds
    inside = loudness_db[part]
    peaks, _ = find_peaks(inside, prominence=6)
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
            len(peaks) / seconds,
            np.argmax(inside) / len(inside),
        ]
    )


def _run_lengths(flags: np.ndarray) -> np.ndarray:
    steps = np.diff(np.concatenate([[0], flags.astype(int), [0]]))
    return np.flatnonzero(steps == -1) - np.flatnonzero(steps == 1)
