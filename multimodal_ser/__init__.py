"""Emotion recognition from audio-video clips, evaluated speaker-independently.

Importing this package loads neither TensorFlow nor librosa: each name below is
fetched from its room when it is first used.

Example:
    >>> import multimodal_ser as mser
    >>> mser.EMOTIONS[:3]
    ('neutral', 'calm', 'happy')
"""

from __future__ import annotations

import importlib

VERSION = "0.1.0"
__version__ = VERSION

_HOMES = {
    "EMOTIONS": "multimodal_ser.tables",
    "Features": "multimodal_ser.tables",
    "SerError": "multimodal_ser.errors",
    "MediaError": "multimodal_ser.errors",
    "Model": "multimodal_ser.workflows.inference",
    "load_model": "multimodal_ser.workflows.inference",
    "predict": "multimodal_ser.workflows.inference",
    "released_models": "multimodal_ser.workflows.released",
    "train": "multimodal_ser.workflows.training",
    "benchmark": "multimodal_ser.workflows.benchmarking",
    "make_corpus": "multimodal_ser.datasets.synthetic",
}
__all__ = ["VERSION", *_HOMES]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
