"""What feature sets share of one signal: each spectrum computed once, when first asked for.

Every value is librosa's own of the same name (McFee et al., "librosa: Audio
and music signal analysis in Python", SciPy 2015), with its defaults, but all
are made of one transform, filter banks are built once a process, frames lie one
after another in memory, and a mel band reads only the bins that it weighs.
Transforms are computed in double precision and kept in single, as librosa does,
so that quiet bins agree too.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np

from multimodal_ser.audio import filters, pitch_classes
from multimodal_ser.audio.signal import check_signal
from multimodal_ser.errors import SerError

RATE_HZ = 22050
WINDOW_SAMPLES = 2048
HOP_SAMPLES = 512
N_MELS = 128
#: The least power that counts, and the reach of a decibel scale below its peak:
#: ``amin`` and ``top_db`` of ``librosa.power_to_db``.
LEAST_POWER = 1e-10
REACH_DB = 80.0
#: librosa's default length of the regression window of a delta, in frames.
DELTA_FRAMES = 9
#: librosa's default length of a tempogram's autocorrelation, in frames (8.9 s).
TEMPO_FRAMES = 384
#: Neighbouring mel bands that are made by one product over the bins they share.
_BANDS_TOGETHER = 16
#: Frames whose bands are made at once: few enough to stay in the processor's cache.
_FRAMES_TOGETHER = 64
_TINY = np.finfo(np.float32).tiny


class Spectra:
    """One signal's spectra and what follows from them, frame by frame.

    Every series is ``(n_frames, n_rows)``, the transpose of librosa's; frame
    ``i`` is centred on sample ``i * hop_samples``. Treat them as read-only:
    they are shared.

    Args:
        signal: mono float32 ``(n_samples,)``, finite.
        rate_hz: its sampling rate.
        window_samples: length of the Hann window and of the transform; a
            multiple of ``hop_samples`` where RMS or zero crossings are asked for.
        hop_samples: step between frames.
        n_mels: mel bands between 0 Hz and half the rate.

    Raises:
        SerError: the signal is empty, not mono, or holds what is no sound.

    Example:
        >>> tone = np.sin(2 * np.pi * 1000 * np.arange(22050) / 22050).astype(np.float32)
        >>> spectra = Spectra(tone)
        >>> spectra.mel_power.shape, round(float(spectra.centroid_hz[20]), -1)
        ((44, 128), 1000.0)
    """

    def __init__(
        self,
        signal: np.ndarray,
        rate_hz: int = RATE_HZ,
        *,
        window_samples: int = WINDOW_SAMPLES,
        hop_samples: int = HOP_SAMPLES,
        n_mels: int = N_MELS,
    ) -> None:
        self.signal = check_signal(signal)
        self.rate_hz = rate_hz
        self.window_samples = window_samples
        self.hop_samples = hop_samples
        self.n_mels = n_mels

    @property
    def n_frames(self) -> int:
        """The number of frames: one, and one more for every whole hop."""
        return 1 + len(self.signal) // self.hop_samples

    @functools.cached_property
    def magnitude(self) -> np.ndarray:
        """Size of the short-time transform, float32 ``(n_frames, window_samples / 2 + 1)``."""
        return magnitudes(self._padded, hann(self.window_samples), self.hop_samples)

    @functools.cached_property
    def power(self) -> np.ndarray:
        """Square of the magnitude, float32."""
        return self.magnitude * self.magnitude

    @functools.cached_property
    def log_power(self) -> np.ndarray:
        """Natural logarithm of the power, below 1e-10 of that, float32."""
        return np.log(np.maximum(self.power, LEAST_POWER))

    @functools.cached_property
    def mel_power(self) -> np.ndarray:
        """Power in mel bands, float32 ``(n_frames, n_mels)``."""
        blocks = mel_blocks(self.rate_hz, self.window_samples, self.n_mels)
        return banded(self.magnitude, blocks)

    @functools.cached_property
    def mel_db(self) -> np.ndarray:
        """Mel bands in dB, no lower than 80 dB below the clip's highest, float32."""
        return decibels(self.mel_power)

    def mfcc(self, count: int) -> np.ndarray:
        """Return the first mel-frequency cepstral coefficients, float32 ``(n_frames, count)``."""
        return self.mel_db @ _cosines(self.n_mels, count)

    @functools.cached_property
    def rms(self) -> np.ndarray:
        """Root of the mean square of each window, float64 ``(n_frames,)``."""
        hops = self._padded[: self._whole_hops].reshape(-1, self.hop_samples)
        squares = np.einsum("hs,hs->h", hops, hops)
        together = np.convolve(squares, np.ones(self.window_samples // self.hop_samples), "valid")
        return np.sqrt(together / self.window_samples)

    @functools.cached_property
    def zero_crossing_rate(self) -> np.ndarray:
        """Share of samples at which the sign changes, float64 ``(n_frames,)``."""
        padded = np.pad(self.signal, self.window_samples // 2, mode="edge")
        negative = padded < -1e-10
        # Crossings up to each sample: a frame's number is a difference of two.
        count = np.zeros(len(padded), np.int64)
        np.cumsum(negative[1:] != negative[:-1], out=count[1:])
        starts = np.arange(self.n_frames) * self.hop_samples
        return (count[starts + self.window_samples - 1] - count[starts]) / self.window_samples

    @functools.cached_property
    def frequencies_hz(self) -> np.ndarray:
        """Centre of each bin, float32 ``(window_samples / 2 + 1,)``."""
        n_bins = self.window_samples // 2 + 1
        return np.linspace(0, self.rate_hz / 2, n_bins).astype(np.float32)

    @functools.cached_property
    def centroid_hz(self) -> np.ndarray:
        """Mean frequency weighted by magnitude, 0 in silence, ``(n_frames,)``."""
        total = self.magnitude.sum(axis=1)
        return self.magnitude @ self.frequencies_hz / np.maximum(total, _TINY)

    def rolloff_hz(self, share: float = 0.85) -> np.ndarray:
        """Return the frequency below which lies ``share`` of the magnitude, ``(n_frames,)``."""
        running = self._running_magnitude
        return self.frequencies_hz[np.argmax(running >= share * running[:, -1:], axis=1)]

    @functools.cached_property
    def flatness(self) -> np.ndarray:
        """Geometric by arithmetic mean of the power, 1 for noise and silence, ``(n_frames,)``."""
        power = np.maximum(self.power, LEAST_POWER)
        return np.exp(self.log_power.mean(axis=1)) / power.mean(axis=1)

    @functools.cached_property
    def contrast_db(self) -> np.ndarray:
        """Peaks against valleys in seven octave bands in dB, ``(n_frames, 7)``.

        Jiang et al., "Music type classification by spectral contrast feature",
        ICME 2002. The strongest and weakest 2 % of a band count.
        """
        peaks, valleys = [], []
        for bins, count in _contrast_bands(self.rate_hz, self.window_samples):
            rows = np.sort(self.magnitude[:, bins], axis=1)
            valleys.append(rows[:, :count].mean(axis=1))
            peaks.append(rows[:, -count:].mean(axis=1))
        return (decibels(np.stack(peaks)) - decibels(np.stack(valleys))).T

    def chroma(self, spectrum: str = "power", tuning: float | None = None) -> np.ndarray:
        """Return the share of each pitch class, the largest of a frame being 1.

        Args:
            spectrum: ``power`` or ``magnitude``, which of the two to sum.
            tuning: offset of the tuning in semitones, -0.5 to 0.5; None
                estimates it from the spectrum.

        Returns:
            float32 ``(n_frames, 12)``, C first; 0 in silence.
        """
        values = getattr(self, spectrum)
        if tuning is None:
            tuning = pitch_classes.tuning(values, self.rate_hz, 12)
        bank = pitch_classes.chroma_bank(self.rate_hz, self.window_samples, tuning)
        return pitch_classes.normalised(values @ bank, np.inf)

    @functools.cached_property
    def cqt_chroma(self) -> np.ndarray:
        """Magnitude of each pitch class in a constant-Q transform, ``(n_frames, 12)``."""
        per_octave = pitch_classes.BINS_PER_OCTAVE
        tuning = pitch_classes.tuning(self.magnitude, self.rate_hz, per_octave)
        magnitude = pitch_classes.constant_q(self.signal, self.rate_hz, self.hop_samples, tuning)
        return magnitude @ pitch_classes.class_bank()

    @functools.cached_property
    def cens(self) -> np.ndarray:
        """Chroma energy, quantised and smoothed, ``(n_frames, 12)``; 0 in silence."""
        return pitch_classes.cens(self.cqt_chroma)

    @functools.cached_property
    def tonnetz(self) -> np.ndarray:
        """Tonal centroid: fifths, minor and major thirds, ``(n_frames, 6)``; 0 in silence."""
        return pitch_classes.tonnetz(self.cqt_chroma)

    @functools.cached_property
    def onset_strength(self) -> np.ndarray:
        """Mean rise of the mel bands in dB since the frame before, ``(n_frames,)``."""
        rise = np.maximum(np.diff(self.mel_db, axis=0), 0).mean(axis=1)
        late = 1 + self.window_samples // (2 * self.hop_samples)
        return np.concatenate([np.zeros(late, np.float32), rise])[: self.n_frames]

    @functools.cached_property
    def tempogram(self) -> np.ndarray:
        """Autocorrelation of the onset strength around each frame, lag 0 being 1.

        float64 ``(n_frames, 384)``; 0 where nothing rises within the window.
        Grosche, Müller & Kurth, "Cyclic tempogram", ICASSP 2010.
        """
        from scipy.fft import irfft, rfft

        strength = self.onset_strength.astype(np.float64)
        padded = np.pad(strength, TEMPO_FRAMES // 2, mode="linear_ramp", end_values=0)
        around = np.lib.stride_tricks.sliding_window_view(padded, TEMPO_FRAMES)[: self.n_frames]
        spectrum = rfft(around * hann(TEMPO_FRAMES), 2 * TEMPO_FRAMES, axis=1)
        power = spectrum.real**2 + spectrum.imag**2
        lags = irfft(power, axis=1)[:, :TEMPO_FRAMES]
        return pitch_classes.normalised(lags, np.inf)

    @functools.cached_property
    def _padded(self) -> np.ndarray:
        return np.pad(self.signal, self.window_samples // 2)

    @property
    def _whole_hops(self) -> int:
        return self.window_samples + (self.n_frames - 1) * self.hop_samples

    @functools.cached_property
    def _running_magnitude(self) -> np.ndarray:
        return np.cumsum(self.magnitude, axis=1)


def magnitudes(padded: np.ndarray, window: np.ndarray, hop_samples: int) -> np.ndarray:
    """Return the size of the Fourier transform of every window of a padded signal.

    Args:
        padded: real ``(n_samples,)``, at least one window long.
        window: float64 ``(window_samples,)``.
        hop_samples: step between windows.

    Returns:
        float32 ``(n_frames, window_samples / 2 + 1)``.

    Example:
        >>> magnitudes(np.ones(8), np.ones(4), 2).tolist()
        [[4.0, 0.0, 0.0], [4.0, 0.0, 0.0], [4.0, 0.0, 0.0]]
    """
    n_frames = 1 + (len(padded) - len(window)) // hop_samples
    result = np.empty((n_frames, len(window) // 2 + 1), np.float32)
    for some, bins in filters.transforms(padded, window, hop_samples):
        np.abs(bins, out=result[some])
    return result


@functools.cache
def hann(samples: int) -> np.ndarray:
    """Return a periodic Hann window, float64 ``(samples,)``.

    Example:
        >>> hann(4).round(6).tolist()
        [0.0, 0.5, 1.0, 0.5]
    """
    return filters.hann(samples)


@functools.cache
def mel_blocks(
    rate_hz: int, window_samples: int, n_mels: int, highest_hz: float | None = None
) -> tuple[tuple[slice, slice, np.ndarray], ...]:
    """Return librosa's mel filters in blocks of neighbours, without their zeros.

    Args:
        rate_hz: sampling rate.
        window_samples: length of the transform.
        n_mels: number of bands.
        highest_hz: upper edge; None takes half the rate.

    Returns:
        Blocks of the bins to read, the bands to write, and the float32 weights
        ``(n_bins, n_bands)`` in between.

    Example:
        >>> sum(weights.shape[1] for _, _, weights in mel_blocks(22050, 2048, 128))
        128
    """
    bank = filters.mel_bank(rate_hz, window_samples, n_mels, highest_hz)
    blocks = []
    for first in range(0, n_mels, _BANDS_TOGETHER):
        rows = slice(first, min(first + _BANDS_TOGETHER, n_mels))
        used = np.flatnonzero(bank[rows].any(axis=0))
        bins = slice(used[0], used[-1] + 1) if len(used) else slice(0, 1)
        blocks.append((bins, rows, np.ascontiguousarray(bank[rows, bins].T)))
    return tuple(blocks)


@functools.cache
def _contrast_bands(rate_hz: int, window_samples: int) -> tuple[tuple[slice, int], ...]:
    """Return each band's bins, and how many of them are 2 %, as librosa counts them."""
    hz = np.fft.rfftfreq(window_samples, 1 / rate_hz)
    edges = [0.0, *(200.0 * 2.0 ** np.arange(7))]
    bands = []
    for band in range(7):
        inside = np.flatnonzero((hz >= edges[band]) & (hz <= edges[band + 1]))
        first = inside[0] - (band > 0)
        last = len(hz) if band == 6 else inside[-1] + 1
        count = max(int(np.rint(0.02 * (last - first))), 1)
        bands.append((slice(first, last - (band < 6)), count))
    return tuple(bands)


def banded(magnitude: np.ndarray, blocks: Sequence) -> np.ndarray:
    """Return the power in bands.

    Args:
        magnitude: float32 ``(n_frames, n_bins)``.
        blocks: of :func:`mel_blocks`.

    Returns:
        float32 ``(n_frames, n_bands)``.

    Example:
        >>> banded(np.ones((3, 1025), np.float32), mel_blocks(22050, 2048, 40)).shape
        (3, 40)
    """
    bands = np.empty((len(magnitude), blocks[-1][1].stop), np.float32)
    for first in range(0, len(magnitude), _FRAMES_TOGETHER):
        some = slice(first, first + _FRAMES_TOGETHER)
        power = np.square(magnitude[some])
        for bins, rows, weights in blocks:
            np.matmul(power[:, bins], weights, out=bands[some, rows])
    return bands


def decibels(power: np.ndarray, reach_db: float | None = REACH_DB) -> np.ndarray:
    """Return 10 log10 of power, as ``librosa.power_to_db`` does.

    Args:
        power: at least 0; below 1e-10 counts as 1e-10.
        reach_db: how far below the highest value the scale ends; None does
            not end it.

    Example:
        >>> decibels(np.array([1.0, 100.0, 0.0])).tolist()
        [0.0, 20.0, -60.0]
    """
    values = 10 * np.log10(np.maximum(power, LEAST_POWER))
    return values if reach_db is None else np.maximum(values, values.max() - reach_db)


@functools.cache
def _cosines(n_mels: int, count: int) -> np.ndarray:
    """Return the first orthonormal cosines of the DCT-II, float32 ``(n_mels, count)``."""
    turns = np.outer(2 * np.arange(n_mels) + 1, np.arange(count)) / (4 * n_mels)
    cosines = np.sqrt(2 / n_mels) * np.cos(2 * np.pi * turns)
    cosines[:, 0] = np.sqrt(1 / n_mels)
    return cosines.astype(np.float32)


def delta(series: np.ndarray, order: int = 1) -> np.ndarray:
    """Return the slope of each row over nine frames, or its change.

    Args:
        series: ``(n_frames, n_rows)``.
        order: 1 for delta, 2 for delta-delta.

    Returns:
        The same shape and dtype, as ``librosa.feature.delta(width=9)`` gives
        it: at either end a polynomial through nine frames goes on. A clip of
        fewer frames, which librosa refuses, is continued by its edge frames.

    Example:
        >>> delta(np.arange(20.0)[:, None])[[0, 10], 0].round(6).tolist()
        [1.0, 1.0]
    """
    half, weights = DELTA_FRAMES // 2, _delta_weights(order)
    wide = series.astype(np.float64)
    padded = np.concatenate([*[wide[:1]] * half, wide, *[wide[-1:]] * half])
    shifted = [padded[at : at + len(series)] for at in range(DELTA_FRAMES)]
    combine = np.add if order % 2 == 0 else np.subtract
    # In the order of scipy.ndimage.correlate1d, whose import takes longer than a clip.
    slopes = shifted[half] * weights[half]
    for before, after, weight in zip(shifted, reversed(shifted), weights[:half], strict=False):
        slopes += combine(before, after) * weight
    if len(series) >= DELTA_FRAMES:
        # The fitted polynomial's last derivative is the same at every frame of it.
        slopes[:half], slopes[-half:] = slopes[half], slopes[-half - 1]
    return slopes.astype(series.dtype, copy=False)


@functools.cache
def _delta_weights(order: int) -> np.ndarray:
    """Return the weights of nine frames in the derivative of the polynomial that fits them best.

    Savitzky & Golay, Analytical Chemistry 36(8), 1964; the polynomial's degree
    is ``order`` too.
    """
    half = DELTA_FRAMES // 2
    fit = np.linalg.pinv(np.vander(np.arange(-half, half + 1), order + 1, increasing=True))
    return math.factorial(order) * fit[order]


def spectra_of(sound: np.ndarray | Spectra) -> Spectra:
    """Return the spectra of a signal at 22050 Hz with librosa's defaults, or those given.

    Args:
        sound: mono float32 ``(n_samples,)`` at 22050 Hz, or its spectra.

    Raises:
        SerError: there is nothing in the signal to analyse, or the spectra
            are of another rate, window or number of bands.

    Example:
        >>> spectra_of(np.zeros(512, np.float32)).n_frames
        2
    """
    if not isinstance(sound, Spectra):
        return Spectra(sound)
    found = (sound.rate_hz, sound.window_samples, sound.hop_samples, sound.n_mels)
    if found != (RATE_HZ, WINDOW_SAMPLES, HOP_SAMPLES, N_MELS):
        raise SerError(
            f"spectra with rate, window, hop and mel bands of {found} do not fit; give "
            "the spectra that Spectra(signal) makes by default, or the signal"
        )
    return sound
