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
from typing import Any

VERSION = "0.1.0"
__version__ = VERSION

_HOMES = {
    "EMOTIONS": "multimodal_ser.tables",
    "Features": "multimodal_ser.tables",
    "SerError": "multimodal_ser.errors",
    "MediaError": "multimodal_ser.errors",
    "Cache": "multimodal_ser.compute.cache",
    "index": "multimodal_ser.workflows.sources",
    "read_tables": "multimodal_ser.workflows.data",
    "Learner": "multimodal_ser.workflows.recipes",
    "Recipe": "multimodal_ser.workflows.recipes",
    "Model": "multimodal_ser.workflows.models",
    "load_model": "multimodal_ser.workflows.models",
    "predict": "multimodal_ser.workflows.inference",
    "Result": "multimodal_ser.workflows.results",
    "Stream": "multimodal_ser.workflows.streaming",
    "released_models": "multimodal_ser.workflows.released",
    "FeatureSet": "multimodal_ser.workflows.scikit",
    "EmotionClassifier": "multimodal_ser.workflows.scikit",
    "as_classifier": "multimodal_ser.workflows.scikit",
    "train": "multimodal_ser.workflows.training",
    "benchmark": "multimodal_ser.workflows.benchmarking",
    "evaluate": "multimodal_ser.workflows.evaluating",
    "score": "multimodal_ser.evaluation.metrics",
    "score_table": "multimodal_ser.workflows.benchmarking",
    "read_run": "multimodal_ser.evaluation.runs",
    "write_run": "multimodal_ser.evaluation.runs",
    "run_report": "multimodal_ser.reports.html",
    "clip_report": "multimodal_ser.reports.html",
    "make_corpus": "multimodal_ser.datasets.synthetic",
}
__all__ = ["VERSION", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
