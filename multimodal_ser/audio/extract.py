"""From clips to features: reads each clip's sound once, in parallel, cached."""

from __future__ import annotations

import numpy as np
import pandas as pd

from multimodal_ser.audio import features as feature_sets
from multimodal_ser.audio import signal
from multimodal_ser.cache import Cache
from multimodal_ser.media import check_file
from multimodal_ser.parallel import map_clips
from multimodal_ser.tables import Features, failure_table


def extract(
    clips: pd.DataFrame,
    feature_set: str = "aei157",
    *,
    cache: Cache | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> tuple[Features, pd.DataFrame]:
    """Compute a feature set for every clip that has sound.

    A clip without a sound file, and a film without a sound track, is left out
    silently: a missing modality is normal. A file that cannot be read becomes
    a row of the failures.

    Args:
        clips: a clips table; its column ``audio`` holds the paths.
        feature_set: one of ``audio.features.NAMES``.
        cache: where results are kept; None keeps nothing.
        workers: processes; None takes one a core.
        progress: whether to show a bar on standard error.

    Returns:
        The features, in the order of the clips, and the failures.

    Raises:
        UnknownName: there is no such feature set.
    """
    module = feature_sets.load(feature_set)
    paths = clips["audio"].dropna()
    folder = cache.folder if cache else None
    items = {clip: (path, feature_set, folder) for clip, path in paths.items()}
    kept, values, failures = [], [], []
    for outcome in map_clips(
        clip_features, items, workers=workers, description="audio features", progress=progress
    ):
        if outcome.error is not None:
            failures.append((outcome.clip, paths[outcome.clip], "audio", outcome.error))
        elif outcome.value is not None:
            kept.append(outcome.clip)
            values.append(outcome.value)
    array = np.stack(values) if values else np.zeros((0, len(module.names())), np.float32)
    index = pd.Index(kept, name="clip", dtype=object)
    return Features(index, array, module.names()), failure_table(failures)


def clip_features(path: str, feature_set: str, cache_folder=None) -> np.ndarray | None:
    """Return one recording's features, from the cache where they are known.

    Args:
        path: the recording.
        feature_set: one of ``audio.features.NAMES``.
        cache_folder: the cache's folder, or None.

    Returns:
        float32, shaped as the feature set says; None for a film without sound.

    Raises:
        MediaError: the recording cannot be read.
    """
    module = feature_sets.load(feature_set)

    def compute() -> dict[str, np.ndarray]:
        return {"values": module.extract(signal.read(path, rate_hz=module.RATE_HZ))}

    check_file(path)
    params = {"rate_hz": module.RATE_HZ, "reader": signal.VERSION}
    cache = Cache(cache_folder)
    try:
        return cache.make(path, module.NAME, module.VERSION, params, compute)["values"]
    except signal.NoSound:
        return None
