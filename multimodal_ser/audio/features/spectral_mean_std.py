"""Features of ``cremad_valence``: mean and deviation of eleven descriptions of a voice.

At 22050 Hz with librosa's defaults (window 2048, hop 512 samples): 20 MFCC,
centroid, flatness, tempogram, CENS, RMS energy, 128 mel bands of power,
spectral contrast, tonnetz and chroma, and the zero-crossing rate that the
source's final model uses beside them. Its text names each once ("chroma
(std)"), so mean and deviation are over all bands and frames at once.

In frames of digital silence CENS and tonnetz show the rounding of the
constant-Q transform (see :mod:`multimodal_ser.audio.pitch_classes`). They are
librosa's all the same, but say nothing of the voice.
"""

from __future__ import annotations

import numpy as np

from multimodal_ser.audio.spectra import RATE_HZ, Spectra, spectra_of

NAME = "spectral_mean_std"
VERSION = 2
N_MFCC = 20

SERIES = (
    "mfcc",
    "centroid_hz",
    "flatness",
    "tempogram",
    "cens",
    "rms",
    "mel_power",
    "contrast_db",
    "tonnetz",
    "chroma",
    "zero_crossing_rate",
)
STATISTICS = ("mean", "std")
#: What the source's final model kept.
FINAL = (
    "chroma_std",
    "contrast_db_mean",
    "rms_mean",
    "rms_std",
    "mfcc_std",
    "flatness_std",
    "zero_crossing_rate_mean",
    "zero_crossing_rate_std",
)

__all__ = ["FINAL", "NAME", "RATE_HZ", "VERSION", "extract", "names"]


def names() -> tuple[str, ...]:
    """Return the 22 names, in the order of the values.

    Example:
        >>> len(names()), names()[0], set(FINAL) <= set(names())
        (22, 'mfcc_mean', True)
    """
    return tuple(f"{series}_{statistic}" for series in SERIES for statistic in STATISTICS)


def extract(sound: np.ndarray | Spectra) -> np.ndarray:
    """Return the 22 values of one signal.

    Args:
        sound: mono float32 ``(n_samples,)`` at 22050 Hz, finite, or its spectra.

    Returns:
        float32 ``(22,)``, finite; see :func:`names`. Tempogram, CENS, tonnetz
        and chroma of silence are 0, and its flatness is 1.

    Raises:
        SerError: the signal is empty, not mono, or not finite.

    Example:
        >>> extract(np.zeros(22050, np.float32)).shape
        (22,)
    """
    spectra = spectra_of(sound)
    found = {name: getattr(spectra, name) for name in SERIES if name not in ("mfcc", "chroma")}
    found |= {"mfcc": spectra.mfcc(N_MFCC), "chroma": spectra.chroma()}
    values = [(found[name].mean(), found[name].std()) for name in SERIES]
    return np.array(values, np.float32).ravel()
