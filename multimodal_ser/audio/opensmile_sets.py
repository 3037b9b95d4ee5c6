"""openSMILE's feature sets, through the optional package ``opensmile``.

**For research only.** openSMILE is audEERING's; its licence allows private,
research and educational use and no use in commercial products
(https://github.com/audeering/opensmile/blob/main/LICENSE). It is therefore not
among this project's requirements: ``pip install multimodal-ser[opensmile]``
adds it, and choosing one of its sets says so once a process.

Eyben, Wöllmer & Schuller, "openSMILE", ACM Multimedia 2010.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING

import numpy as np

from multimodal_ser.audio.signal import check_signal
from multimodal_ser.plugins import require

if TYPE_CHECKING:
    import opensmile

#: The rate of the corpora that the sets were made for.
RATE_HZ = 16000
LICENCE = "openSMILE's features are for research only, not for commercial products"
#: The longest window of the sets is 60 ms; a shorter signal gives no frame.
_LEAST_SAMPLES = RATE_HZ // 10

_log = logging.getLogger(__name__)


@functools.cache
def extractor(feature_set: str) -> opensmile.Smile:
    """Return openSMILE's extractor of functionals, and say its licence once.

    Args:
        feature_set: a member of ``opensmile.FeatureSet``.

    Raises:
        MissingLibrary: the package is not installed.
    """
    require("opensmile", remark=LICENCE)
    import opensmile

    _log.warning("%s: %s", feature_set, LICENCE)
    chosen = getattr(opensmile.FeatureSet, feature_set)
    level = opensmile.FeatureLevel.Functionals
    return opensmile.Smile(feature_set=chosen, feature_level=level, num_workers=1)


def functionals(feature_set: str, signal: np.ndarray) -> np.ndarray:
    """Return openSMILE's functionals of one signal.

    Args:
        feature_set: a member of ``opensmile.FeatureSet``.
        signal: mono float32 ``(n_samples,)`` at 16000 Hz, finite. One below
            0.1 s stands in the middle of so much silence.

    Returns:
        float32 ``(n_values,)``, finite: what openSMILE cannot tell is 0.

    Raises:
        SerError: the package is not installed, or the signal is empty, not
            mono, or not finite.
    """
    smile = extractor(feature_set)
    signal = check_signal(signal)
    lacking = max(_LEAST_SAMPLES - len(signal), 0)
    signal = np.pad(signal, (lacking // 2, lacking - lacking // 2))
    values = smile.process_signal(signal, RATE_HZ).to_numpy()[0].astype(np.float32)
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
