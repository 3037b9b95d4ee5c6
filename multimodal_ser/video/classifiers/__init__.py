"""Video classifiers: each file builds one estimator of a clip's measured face.

They work on tables such as OpenFace's action units or blendshapes, not on
images; networks over images are ``video.backbones``. A classifier is a
module with ``build(*, seed=0, **params)``, returning an estimator in
scikit-learn's sense whose inputs are raw values, ``SEARCH``, what a search may
vary, and ``SEQUENCES``: False for one vector a clip, ``(n_clips, n_values)``;
True for one per frame, ``(n_clips, n_frames, n_values)`` with rows of NaN where
there is no frame or no face (:func:`stack`). Where the estimator has no
``predict_proba``, the module has ``probabilities(estimator, values)``; files
are written and read by :mod:`multimodal_ser.estimators`.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import numpy as np

from multimodal_ser.plugins import load_plugin

NAMES = ("logistic_regression", "mlp", "svc", "temporal")
#: The Keras networks among them: their ``fit`` takes ``validation`` clips to stop early.
NETWORKS = ("temporal",)


def load(name: str) -> ModuleType:
    """Return the module of a classifier.

    Raises:
        UnknownName: there is none of this name.

    Example:
        >>> load("svc").SEQUENCES, load("temporal").SEQUENCES
        (False, True)
    """
    return load_plugin(__name__, "video classifier", name, NAMES)


def is_network(name: str) -> bool:
    """Return whether a classifier is a Keras network; nothing is imported to find out.

    Example:
        >>> is_network("temporal"), is_network("svc")
        (True, False)
    """
    return name in NETWORKS


def stack(sequences: Sequence[np.ndarray], n_frames: int = 64) -> np.ndarray:
    """Bring sequences of any length to one array.

    A longer one is cut into ``n_frames`` equal stretches of time, each the mean
    of its frames with a face; a shorter one is kept and followed by NaN.

    Args:
        sequences: each ``(length, n_values)``, such as
            ``openface.sequence`` gives; a frame without a face is NaN.
        n_frames: of the result, at least 1.

    Returns:
        float32 ``(n_clips, n_frames, n_values)``.

    Example:
        >>> long, short = np.float32([[0], [2], [4], [np.nan]]), np.float32([[7]])
        >>> stack([long, short], n_frames=2)[..., 0].tolist()
        [[1.0, 4.0], [7.0, nan]]
    """
    n_values = sequences[0].shape[1] if len(sequences) else 0
    stacked = np.full((len(sequences), n_frames, n_values), np.nan, np.float32)
    for row, sequence in zip(stacked, sequences, strict=True):
        if len(sequence) <= n_frames:
            row[: len(sequence)] = sequence
            continue
        for at, stretch in enumerate(np.array_split(sequence, n_frames)):
            seen = stretch[np.isfinite(stretch).all(axis=1)]
            if len(seen):
                row[at] = seen.mean(axis=0, dtype=float)
    return stacked
