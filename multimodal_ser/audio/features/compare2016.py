"""openSMILE's 6373 functionals of the ComParE 2016 set, at 16000 Hz: for research only.

Schuller et al., "The Interspeech 2016 computational paralinguistics
challenge", Interspeech 2016. Needs the optional package
``opensmile``, whose licence excludes commercial products: see
:mod:`multimodal_ser.audio.opensmile_sets`.
"""

from __future__ import annotations

import numpy as np

from multimodal_ser.audio import opensmile_sets
from multimodal_ser.audio.opensmile_sets import RATE_HZ

NAME = "compare2016"
VERSION = 1
SHAPE = (6373,)
_MEMBER = "ComParE_2016"

__all__ = ["NAME", "RATE_HZ", "SHAPE", "VERSION", "extract", "names"]


def names() -> tuple[str, ...]:
    """Return openSMILE's own 6373 names, in the order of the values.

    Raises:
        SerError: the package opensmile is not installed.
    """
    return tuple(opensmile_sets.extractor(_MEMBER).feature_names)


def extract(signal: np.ndarray) -> np.ndarray:
    """Return the 6373 values of one signal.

    Args:
        signal: mono float32 ``(n_samples,)`` at 16000 Hz, finite.

    Returns:
        float32 ``(6373,)``, finite; 0 where openSMILE has no value.

    Raises:
        SerError: the package opensmile is not installed, or the signal is
            empty, not mono, or not finite.
    """
    return opensmile_sets.functionals(_MEMBER, signal)
