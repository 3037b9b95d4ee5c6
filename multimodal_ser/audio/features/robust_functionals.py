"""Statistics of everything in a spectrogram, indifferent to level and silence, up to 8 kHz.

The values of :mod:`functionals` for the utterance alone, at one level and without
anything above 8 kHz (:func:`multimodal_ser.audio.utterance.utterance`), less those
that tell how long the recording is, where in it the voice lies, and what is above.
"""

from __future__ import annotations

import functools

import numpy as np

from multimodal_ser.audio.features import functionals
from multimodal_ser.audio.utterance import RATE_HZ, utterance

__all__ = ["NAME", "RATE_HZ", "VERSION", "extract", "names"]

NAME = "robust_functionals"
VERSION = 1
_LEFT_OUT = ("clip_seconds", "lead_seconds", "tail_seconds", "treble_ratio", "contrast_07")


@functools.cache
def names() -> tuple[str, ...]:
    """Return the names, in the order of the values.

    Example:
        >>> len(names()), "pitch_semitones_mean" in names(), "clip_seconds" in names()
        (2628, True, False)
    """
    return tuple(np.array(functionals.names())[_kept()].tolist())


@functools.cache
def _kept() -> np.ndarray:
    return np.flatnonzero(
        [not any(part in name for part in _LEFT_OUT) for name in functionals.names()]
    )


def extract(signal: np.ndarray) -> np.ndarray:
    """Return the values of one signal.

    Args:
        signal: mono float32 ``(n_samples,)`` at 16000 Hz, finite.

    Returns:
        float32 ``(2628,)``, finite; see :func:`names`.

    Raises:
        SerError: the signal is empty, not mono, or not finite.

    Example:
        >>> extract(np.zeros(16000, np.float32)).shape
        (2628,)
    """
    import soxr

    from multimodal_ser.audio.spectra import RATE_HZ as SPECTRA_RATE_HZ

    voice = utterance(signal)
    # Resampled, not measured at 16 kHz: frames and bands stay those of `functionals`.
    sound = soxr.resample(voice, RATE_HZ, SPECTRA_RATE_HZ) if len(voice) > 1 else voice
    return functionals.extract(sound)[_kept()]
