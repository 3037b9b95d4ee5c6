"""The functionals and the kernels in one: what our best voice model hears.

The classifier ``block_vote`` knows where the one ends and the other begins and
gives each its own classifiers; on RAVDESS that is better than to put both into
one (``docs/results.md``). The kernels want 16000 Hz and get the signal resampled.
"""

from __future__ import annotations

import numpy as np

from multimodal_ser.audio.features import functionals, kernels
from multimodal_ser.audio.spectra import RATE_HZ, Spectra, spectra_of

__all__ = ["NAME", "RATE_HZ", "VERSION", "extract", "names"]

NAME = "voice"
#: It changes with either.
VERSION = 100 * functionals.VERSION + kernels.VERSION


def names() -> tuple[str, ...]:
    """Return the names, in the order of the values.

    Example:
        >>> len(names()), names()[2668], names()[2669]
        (8169, 'loudest_at_share', 'kernel_001_every_10ms_p00')
    """
    return (*functionals.names(), *kernels.names())


def extract(sound: np.ndarray | Spectra) -> np.ndarray:
    """Return the values of one signal.

    Args:
        sound: mono float32 ``(n_samples,)`` at 22050 Hz, finite, or its spectra.

    Returns:
        float32 ``(8169,)``, finite; see :func:`names`.

    Raises:
        SerError: the signal is empty, not mono, or not finite.

    Example:
        >>> extract(np.zeros(22050, np.float32)).shape
        (8169,)
    """
    import soxr

    spectra = spectra_of(sound)
    resampled = soxr.resample(spectra.signal, RATE_HZ, kernels.RATE_HZ, quality="HQ")
    # A signal of one sample is none at the lower rate.
    heard = resampled if len(resampled) else spectra.signal
    return np.concatenate([functionals.extract(spectra), kernels.extract(heard)])
