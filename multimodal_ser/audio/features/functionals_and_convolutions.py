"""The functionals and the kernels in one: what our best voice model hears.

The classifier ``vote_per_feature_set`` knows where the one ends and the other begins and
gives each its own classifiers; on RAVDESS that is better than to put both into
one (``docs/results.md``). The kernels want 16000 Hz and get the signal resampled.
"""

from __future__ import annotations

import numpy as np

from multimodal_ser.audio.features import functionals, random_convolutions
from multimodal_ser.audio.spectra import RATE_HZ, Spectra, spectra_of

__all__ = ["NAME", "RATE_HZ", "VERSION", "extract", "names"]

NAME = "functionals_and_convolutions"
#: It changes with either.
VERSION = 100 * functionals.VERSION + random_convolutions.VERSION


def names() -> tuple[str, ...]:
    """Return the names, in the order of the values.

    Example:
        >>> len(names()), names()[2668], names()[2669]
        (8169, 'loudest_at_share', 'kernel_001_every_10ms_p00')
    """
    return (*functionals.names(), *random_convolutions.names())


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
    resampled = soxr.resample(spectra.signal, RATE_HZ, random_convolutions.RATE_HZ, quality="HQ")
    # A signal of one sample is none at the lower rate.
    heard = resampled if len(resampled) else spectra.signal
    return np.concatenate([functionals.extract(spectra), random_convolutions.extract(heard)])
