"""Whether a recording holds enough voice to judge an emotion, whatever its level.

A logistic regression over sixteen cues, each with its square: how harmonic the loud frames
are and how their pitch moves (tones and held notes do not, noise has none), how the spectrum
changes from frame to frame and along frequency, and how the level goes up and down (syllables
come at 2 to 10 Hz: Houtgast & Steeneken, J. Acoust. Soc. Am. 77(3), 1985; percussion rises
faster than it falls). Everything is measured between 100 and 3800 Hz, which a telephone
leaves, and relative to the loudest tenth of a second. Scheirer & Slaney, "Construction and
evaluation of a robust multifeature speech/music discriminator", ICASSP 1997, use cues of the
same kinds. ``pipelines/fit_speech_gate.py`` fits the numbers and prints how well they do.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from multimodal_ser.audio.signal import check_signal
from multimodal_ser.audio.spectra import banded, hann, magnitudes, mel_blocks
from multimodal_ser.compute.cache import Array

NAME = "speech_gate"
VERSION = 1
RATE_HZ = 16000
#: 10 ms between windows of 40 ms: two periods of the lowest pitch and a half.
HOP_SAMPLES, WINDOW_SAMPLES, TRANSFORM_SAMPLES = 160, 640, 1024
FRAMES_A_SECOND = RATE_HZ // HOP_SAMPLES
N_BANDS, LOWEST_HZ, HIGHEST_HZ = 24, 100, 3800
_BINS = slice(*(round(hz * TRANSFORM_SAMPLES / RATE_HZ) for hz in (LOWEST_HZ, HIGHEST_HZ)))
PITCH_HZ = (60, 500)
#: An octave higher must be this much less harmonic to lose against the lower.
OCTAVE_COST = 0.02
#: Normalised autocorrelation above which a frame is voiced (Boersma 1993 has 0.45).
VOICED = 0.5
#: Frames this far below the loudest tenth of a second are silence: in the four corpora that
#: the gate was fitted and tested on, pauses lie lower and the softest vowels above.
ACTIVE_DB = 30.0
LOUDEST_FRAMES = 10
#: A peak below three steps of 16-bit sound is silence, however it is amplified.
SILENT_PEAK = 1e-4
#: Less active sound, in seconds, is no utterance; the shortest of some thousand clips of
#: four corpora has 0.7.
SHORTEST_SECONDS = 0.5
#: Reasons to hear no speech.
SILENCE, TOO_SHORT, OTHER = "silence", "too short", "tone, noise or music"
REASONS = ("", SILENCE, TOO_SHORT, OTHER)

#: Cue -> mean and deviation over speech, weight, and weight of the square, of
#: ``pipelines/fit_speech_gate.py``.
WEIGHTS: dict[str, tuple[float, float, float, float]] = {
    "moving": (0.5702, 0.1226, 0.00774, -0.1763),
    "held": (0.08636, 0.05424, 0.05997, -0.0897),
    "harmonicity": (0.8304, 0.08952, 0.3592, -0.08167),
    "harmonicity_std": (0.1445, 0.04595, 0.1404, -0.132),
    "pitch_std": (5.771, 2.146, -0.2919, -0.1703),
    "continuity": (0.4591, 0.1461, -0.1453, -0.132),
    "tilt": (-0.8859, 0.2791, -0.3449, -0.1417),
    "roughness": (2.45, 1.459, 0.1285, 0.2854),
    "flatness": (-2.037, 0.4238, -0.1071, -0.476),
    "flatness_std": (0.4863, 0.1455, -0.007356, -0.2777),
    "slow": (0.3522, 0.1279, 0.1938, -0.09588),
    "syllabic": (0.5704, 0.1149, -0.1216, -0.1449),
    "near_bands": (0.8301, 0.08263, 0.2025, -0.1289),
    "far_bands": (0.4406, 0.1445, -0.03228, -0.3061),
    "median_depth_db": (17.98, 10.08, 0.5117, 0.09161),
    "rise_skewness": (1.167, 0.7802, -0.41, -0.3804),
}
INTERCEPT = 8.416
#: Log-odds below which it is no speech.
THRESHOLD = -4.05
#: Cues further from speech's mean count as this many deviations from it.
FURTHEST = 4.0


#: What :meth:`Speech.to_arrays` gives.
ARRAYS = {"values": Array((4,), "float64")}


class Speech(NamedTuple):
    """What was heard.

    Attributes:
        score: how like speech it is, 0 to 1; 0 for silence.
        voiced_seconds: length of the voiced frames together.
        peak: highest sample without the mean, 1 at full scale.
        reason: why no emotion can be judged, one of :data:`REASONS`; empty where one can.
    """

    score: float
    voiced_seconds: float
    peak: float
    reason: str

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return it as an entry of the cache."""
        return {"values": np.array([*self[:3], REASONS.index(self.reason)])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Speech:
        """Return what :meth:`to_arrays` made an entry of.

        Example:
            >>> heard = Speech(0.9, 1.2, 0.5, "")
            >>> Speech.from_arrays(heard.to_arrays()) == heard
            True
        """
        score, voiced_seconds, peak, code = arrays["values"].tolist()
        return cls(score, voiced_seconds, peak, REASONS[int(code)])


class Frames(NamedTuple):
    """A signal's frames, 100 a second; power relative to the loudest tenth of a second."""

    power: np.ndarray
    bands_db: np.ndarray
    level_db: np.ndarray
    active: np.ndarray
    loud: np.ndarray
    pitch: np.ndarray
    harmonicity: np.ndarray


def measure(signal: np.ndarray) -> Speech:
    """Tell how like speech a signal is, and whether an emotion can be judged by it.

    Args:
        signal: mono float32 ``(n_samples,)`` at 16 kHz, finite.

    Raises:
        SerError: the signal is empty, not mono, or holds what is no sound.

    Example:
        >>> tone = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
        >>> measure(tone).reason, measure(0 * tone).reason, measure(tone[:4000]).reason
        ('tone, noise or music', 'silence', 'too short')
    """
    signal = check_signal(signal)
    signal = signal - signal.mean()
    peak = float(np.abs(signal).max())
    frames = _frames(signal / peak) if peak >= SILENT_PEAK else None
    if frames is None:
        return Speech(0.0, 0.0, peak, SILENCE)
    log_odds = _log_odds(_cues(frames))
    voiced = frames.active & (frames.harmonicity > VOICED)
    short = frames.active.sum() / FRAMES_A_SECOND < SHORTEST_SECONDS
    reason = TOO_SHORT if short else OTHER if log_odds < THRESHOLD else ""
    score = float(1 / (1 + np.exp(-log_odds)))
    return Speech(score, float(voiced.sum() / FRAMES_A_SECOND), peak, reason)


def cues(signal: np.ndarray) -> dict[str, float] | None:
    """Return the cues of a signal, by name; None of silence.

    Args:
        signal: as :func:`measure` takes it.

    Example:
        >>> len(cues(np.sin(np.arange(16000) / 4)))
        16
    """
    signal = check_signal(signal)
    signal = signal - signal.mean()
    peak = float(np.abs(signal).max())
    frames = _frames(signal / peak) if peak >= SILENT_PEAK else None
    return None if frames is None else _cues(frames)


def _log_odds(found: dict[str, float]) -> float:
    """Return the log-odds of speech."""
    values = np.array([found[name] for name in WEIGHTS])
    mean, deviation, linear, square = np.array(list(WEIGHTS.values())).T
    z = np.clip((values - mean) / deviation, -FURTHEST, FURTHEST)
    return float(INTERCEPT + linear @ z + square @ z**2)


def _frames(signal: np.ndarray) -> Frames | None:
    """Return the frames of a signal; None where nothing lies in the band."""
    padded = np.pad(signal, TRANSFORM_SAMPLES // 2)
    magnitude = magnitudes(padded, _window(), HOP_SAMPLES)
    magnitude[:, : _BINS.start] = 0
    magnitude[:, _BINS.stop :] = 0
    power = np.square(magnitude)
    total = power.sum(axis=1)
    top = np.sort(total)[-min(LOUDEST_FRAMES, len(total))]
    if top <= 0:
        return None
    # The first band is mostly below the lowest frequency.
    bands_db = _db(banded(magnitude, _blocks())[:, 1:] / top)
    level_db = _db(total / top)
    # In noise, which fills the pauses, the frames that count lie above half its depth.
    floor_db = max(-ACTIVE_DB, np.quantile(level_db, 0.1) / 2)
    loud = (level_db > floor_db) | (total >= top)
    pitch, harmonicity = _pitch(power)
    return Frames(power, bands_db, level_db, level_db > -ACTIVE_DB, loud, pitch, harmonicity)


def _cues(frames: Frames) -> dict[str, float]:
    """Return the cues, in the order of :data:`WEIGHTS`."""
    return _of_pitch(frames) | _of_spectrum(frames) | _of_level(frames)


def _of_pitch(frames: Frames) -> dict[str, float]:
    loud, pitch = frames.loud, frames.pitch
    voiced = loud & (frames.harmonicity > VOICED)
    step = np.abs(np.diff(pitch))[voiced[1:] & voiced[:-1]]
    return {
        # Steps in semitones in 10 ms, as a share of the loud frames.
        "moving": ((step > 0.05) & (step < 1)).sum() / loud.sum(),
        "held": (step <= 0.03).sum() / loud.sum(),
        "harmonicity": frames.harmonicity[loud].mean(),
        "harmonicity_std": frames.harmonicity[loud].std(),
        "pitch_std": pitch[voiced].std() if voiced.any() else 0.0,
    }


def _of_spectrum(frames: Frames) -> dict[str, float]:
    """Return cues of the spectrum's shape in loud frames, whatever their level."""
    loud = frames.loud
    shape = frames.bands_db - frames.bands_db.mean(axis=1, keepdims=True)
    mean, variance = shape[loud].mean(axis=0), shape[loud].var(axis=0).mean()
    pair = loud[5:] & loud[:-5]
    change = ((shape[5:][pair] - shape[:-5][pair]) ** 2).mean() if pair.any() else 0.0
    inside = frames.power[loud][:, _BINS]
    flatness = np.log10(inside / inside.mean(axis=1, keepdims=True) + 1e-9).mean(axis=1)
    return {
        "continuity": 1 - change / (2 * variance + 1e-6),
        "tilt": np.polyfit(np.arange(len(mean)), mean, 1)[0],
        "roughness": np.abs(np.diff(mean, 2)).mean(),
        "flatness": flatness.mean(),
        "flatness_std": flatness.std(),
    }


def _of_level(frames: Frames) -> dict[str, float]:
    """Return cues of how level and bands go up and down over the whole signal."""
    level = np.maximum(frames.level_db, -ACTIVE_DB)
    rise = np.diff(level)
    bands = np.maximum(frames.bands_db, frames.bands_db.max(axis=0) - ACTIVE_DB)
    bands = bands - bands.mean(axis=0)
    n = max(len(bands), 2048)
    power = np.abs(np.fft.rfft(bands * np.hanning(len(bands))[:, None], n, axis=0)) ** 2
    hz, power = np.fft.rfftfreq(n, 1 / FRAMES_A_SECOND), power.sum(axis=1)
    total = power[hz > 0.5].sum() + 1e-6
    unit = bands / (bands.std(axis=0) + 1e-6)
    return {
        "slow": power[(hz > 0.5) & (hz <= 2)].sum() / total,
        "syllabic": power[(hz > 2) & (hz <= 10)].sum() / total,
        "near_bands": (unit[:, 1:] * unit[:, :-1]).mean(),
        "far_bands": (unit[:, 10:] * unit[:, :-10]).mean(),
        "median_depth_db": min(-float(np.median(frames.level_db)), 40.0),
        "rise_skewness": (rise**3).mean() / (1e-3 + (rise**2).mean() ** 1.5) if len(rise) else 0.0,
    }


def _pitch(power: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pitch in semitones above 27.5 Hz and harmonicity 0 to 1, ``(n_frames,)`` each.

    Boersma, "Accurate short-term analysis of the fundamental frequency", IFA Proceedings 17,
    1993: the highest peak of the autocorrelation divided by that of the window.
    """
    shortest, longest = (RATE_HZ // hz for hz in reversed(PITCH_HZ))
    # Faster than the inverse transform: few bins hold power, and few lags are wanted.
    lags = power[:, _BINS] @ _lag_bank()
    lags /= np.maximum(lags[:, :1], 1e-20)
    cost = OCTAVE_COST * np.log2(np.arange(shortest, longest + 1, dtype=np.float32) / shortest)
    best = shortest + np.argmax(lags[:, shortest : longest + 1] - cost, axis=1)
    frame = np.arange(len(power))
    before, peak, after = (lags[frame, best + step] for step in (-1, 0, 1))
    bend = before - 2 * peak + after
    # A parabola through three lags finds the peak between samples.
    shift = 0.5 * (before - after) / np.where(np.abs(bend) > 1e-9, bend, np.inf)
    seconds = (best + np.clip(shift, -1, 1)) / RATE_HZ
    return -12 * np.log2(27.5 * seconds), np.clip(peak, 0, 1)


def _db(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(power + 1e-6)


@functools.cache
def _window() -> np.ndarray:
    return np.pad(hann(WINDOW_SAMPLES), (TRANSFORM_SAMPLES - WINDOW_SAMPLES) // 2)


@functools.cache
def _lag_bank() -> np.ndarray:
    """Return what each bin adds to each lag of the autocorrelation, divided by the window's."""
    longest = RATE_HZ // PITCH_HZ[0] + 2
    window = np.fft.irfft(np.abs(np.fft.rfft(_window())) ** 2)[:longest]
    turns = np.outer(np.arange(TRANSFORM_SAMPLES // 2 + 1)[_BINS], np.arange(longest))
    bank = np.cos(2 * np.pi * turns / TRANSFORM_SAMPLES) / (window / window[0])
    return bank.astype(np.float32)


@functools.cache
def _blocks() -> tuple[tuple[slice, slice, np.ndarray], ...]:
    return mel_blocks(RATE_HZ, TRANSFORM_SAMPLES, N_BANDS, HIGHEST_HZ)
