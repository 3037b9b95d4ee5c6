"""What of a recording is the voice: without the silence around it, at one level.

How loud a recording is, how long it is silent before and after, and what the
microphone's gain was say nothing about an emotion. What hears another microphone
than it learnt from starts here.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from multimodal_ser.audio.signal import check_signal
from multimodal_ser.audio.spectra import Spectra

RATE_HZ = 16000
#: Root mean square of the loud parts of what :func:`utterance` returns.
LEVEL = 0.1
#: Step between frames of :func:`log_mel`.
HOP_SECONDS = 0.02
N_MELS = 64
#: Frames more than this below the loud ones are outside the utterance ...
_QUIET_DB = 35.0
#: ... and in noise those in the lower part of what lies between the noise and the loud.
_SHARE_OF_RANGE = 0.3
#: The highest that this rises to: speech itself reaches as far down.
_HIGHEST_DB = -12.0
_HOP_SAMPLES = 160
#: What is lower is rumble; after so many samples (64 ms) the filter is at rest.
_LOWEST_HZ, _TAPS = 80, 1024
#: Frames of 10 ms that are kept on both sides.
_MARGIN_FRAMES = 5
_LOUD, _FLOOR = 95, 2
#: Signals up to a minute are remembered with what was made of them.
_REMEMBERED_SAMPLES = 60 * RATE_HZ
#: dB below the utterance's mean at which the frames end.
FLOOR_DB = -80.0


def _once(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Remember the last signal and its outcome, which several sets of one recording share."""
    held: tuple[np.ndarray, np.ndarray] | None = None

    @functools.wraps(function)
    def remembered(signal: np.ndarray) -> np.ndarray:
        nonlocal held
        signal, known = check_signal(signal), held
        # By its bits, and of a copy: the caller may change the signal, and -0 is not 0.
        bits = np.ascontiguousarray(signal).view(np.int32)
        if known is None or not np.array_equal(known[0], bits):
            outcome = function(signal)
            if len(signal) > _REMEMBERED_SAMPLES:
                return outcome
            held = known = bits.copy(), outcome.copy()
        return known[1].copy()

    return remembered


@_once
def utterance(signal: np.ndarray) -> np.ndarray:
    """Return the part of a recording between its first and its last loud moment, at one level.

    A moment, 50 ms long, is loud where it is within 35 dB of the loud ones (their
    95th percentile), and in noise well above it.

    Args:
        signal: mono float32 ``(n_samples,)`` at 16000 Hz, finite.

    Returns:
        float32 ``(n,)``, whose loud parts have the root mean square :data:`LEVEL`;
        silence comes back as it is.

    Raises:
        SerError: the signal is empty, not mono, or not finite.

    Example:
        >>> tone = np.sin(np.arange(16000, dtype=np.float32))
        >>> padded = np.concatenate([np.zeros(8000, np.float32), 0.01 * tone])
        >>> len(utterance(padded)) < 18000, bool(utterance(padded).std() > 0.09)
        (True, True)
    """
    energy = _energy(signal)
    loud = np.percentile(energy, _LOUD)
    if loud <= 0 or not np.isfinite(loud):
        return signal
    level_db = 10 * np.log10(np.maximum(energy / loud, 1e-12))
    floor_db = np.percentile(level_db, _FLOOR) * (1 - _SHARE_OF_RANGE)
    kept = np.flatnonzero(level_db >= np.clip(floor_db, -_QUIET_DB, _HIGHEST_DB))
    first = max(int(kept[0]) - _MARGIN_FRAMES, 0) * _HOP_SAMPLES
    last = (int(kept[-1]) + 1 + _MARGIN_FRAMES) * _HOP_SAMPLES
    return (signal[first:last] * (LEVEL / np.sqrt(loud))).astype(np.float32)


def _energy(signal: np.ndarray) -> np.ndarray:
    """Return the mean square of each 50 ms, every 10 ms, without what lies below speech."""
    n_fft = 1 << (len(signal) + _TAPS - 1).bit_length()
    spectrum = np.fft.rfft(signal, n_fft) * _high_pass_spectrum(n_fft)
    voice = np.fft.irfft(spectrum, n_fft)[: len(signal)]
    n_hops = -(-len(voice) // _HOP_SAMPLES)
    hops = np.pad(voice, (0, n_hops * _HOP_SAMPLES - len(voice))).reshape(n_hops, -1)
    return np.convolve((hops**2).mean(axis=1), np.full(5, 0.2), "same")


@functools.cache
def _high_pass() -> np.ndarray:
    """Return the impulse response of a Butterworth high-pass of second order.

    SciPy's filters would do; importing them takes longer than to predict a clip.
    """
    k = math.tan(math.pi * _LOWEST_HZ / RATE_HZ)
    scale = 1 / (1 + math.sqrt(2) * k + k * k)
    back = -2 * (k * k - 1) * scale, -(1 - math.sqrt(2) * k + k * k) * scale
    out = np.zeros(_TAPS)
    for at in range(_TAPS):
        forward = (scale, -2 * scale, scale)[at] if at < 3 else 0.0
        out[at] = forward + back[0] * out[at - 1] + back[1] * out[at - 2]
    return out


@functools.lru_cache(maxsize=2)
def _high_pass_spectrum(n_fft: int) -> np.ndarray:
    return np.fft.rfft(_high_pass(), n_fft)


@_once
def log_mel(signal: np.ndarray) -> np.ndarray:
    """Return the frames of an utterance: 64 bands up to 8 kHz, every 20 ms.

    Args:
        signal: as for :func:`utterance`, which it is passed through.

    Returns:
        float32 ``(n_frames, 64)``, in dB relative to the mean power over all frames
        and bands, no lower than :data:`FLOOR_DB`.

    Raises:
        SerError: see :func:`utterance`.

    Example:
        >>> log_mel(np.sin(np.arange(16000, dtype=np.float32))).shape
        (50, 64)
    """
    spectra = Spectra(
        utterance(signal), RATE_HZ, window_samples=512, hop_samples=_HOP_SAMPLES, n_mels=N_MELS
    )
    power = spectra.mel_power
    if len(power) > 1:
        # Means of two frames of 10 ms each: every sample counts alike.
        power = power[: len(power) // 2 * 2].reshape(-1, 2, N_MELS).mean(axis=1)
    mean = float(power.mean(dtype=np.float64))
    if not mean > np.finfo(np.float32).tiny:
        return np.full(power.shape, FLOOR_DB, np.float32)
    relative = np.maximum(power / mean, 10 ** (FLOOR_DB / 10))
    return (10 * np.log10(relative)).astype(np.float32)
